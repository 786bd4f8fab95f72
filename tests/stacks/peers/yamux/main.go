// A peer of yamux-msgpack in Go, on hashicorp's yamux: "serve" prints its port and serves until its
// standard input ends, "call PORT" makes calls of every kind and prints "fine".
//
// A stream carries the method's name as a str, then the requests; back come [0, reply]... or
// [1, code, text], each in MessagePack.
package main

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"log"
	"net"
	"os"
	"strings"
	"sync"
	"sync/atomic"

	"github.com/hashicorp/yamux"
	"github.com/vmihailenco/msgpack/v5"
)

// Note is Ask and Told of the contract's service.
type Note struct {
	_msgpack struct{} `msgpack:",as_array"`
	ID       int64
	Text     string
}

type failure struct{ code, text string }

func (f *failure) Error() string { return f.code + ": " + f.text }

func main() {
	log.SetFlags(0)
	switch {
	case len(os.Args) == 2 && os.Args[1] == "serve":
		serve()
	case len(os.Args) == 3 && os.Args[1] == "call":
		call(os.Args[2])
	default:
		log.Fatal("usage: peer serve | peer call PORT")
	}
}

// conversation is one call, from either side; what is written goes out by flush.
type conversation struct {
	stream *yamux.Stream
	buffer *bufio.Writer
	enc    *msgpack.Encoder
	dec    *msgpack.Decoder
}

func converse(stream *yamux.Stream) *conversation {
	buffer := bufio.NewWriter(stream)
	return &conversation{stream, buffer, msgpack.NewEncoder(buffer), msgpack.NewDecoder(stream)}
}

// ---- the server

var ended atomic.Int64

func serve() {
	listening, err := net.Listen("tcp", "127.0.0.1:0")
	check(err)
	fmt.Println(listening.Addr().(*net.TCPAddr).Port)
	go func() {
		for {
			connection, err := listening.Accept()
			check(err)
			session, err := yamux.Server(connection, nil)
			check(err)
			go accept(session)
		}
	}()
	_, _ = io.Copy(io.Discard, os.Stdin)
}

func accept(session *yamux.Session) {
	for {
		stream, err := session.AcceptStream()
		if err != nil {
			return
		}
		go handle(converse(stream))
	}
}

func handle(c *conversation) {
	defer c.stream.Close()
	name, err := c.dec.DecodeString()
	if err == nil {
		err = answer(c, name)
	}
	var told *failure
	if errors.As(err, &told) {
		check(c.enc.EncodeArrayLen(3))
		check(c.enc.EncodeInt(1))
		check(c.enc.EncodeString(told.code))
		check(c.enc.EncodeString(told.text))
	}
	_ = c.buffer.Flush()
}

func answer(c *conversation, name string) error {
	switch name {
	case "Tell":
		note, err := c.request()
		if err != nil {
			return err
		}
		return c.reply(note)
	case "Ended":
		return c.reply(Note{ID: ended.Load()})
	case "Refuse":
		note, err := c.request()
		if err != nil {
			return err
		}
		return &failure{note.Text, fmt.Sprintf("refused no. %d", note.ID)}
	case "Count":
		return count(c)
	case "Swell":
		return swell(c)
	case "Gather":
		return gather(c)
	case "Enough":
		note, err := c.request()
		if err != nil {
			return err
		}
		return c.reply(Note{ID: note.ID, Text: "enough"})
	case "Converse":
		return echo(c)
	}
	return &failure{"UNIMPLEMENTED", "there is no method " + name}
}

func count(c *conversation) error {
	note, err := c.request()
	for number := int64(0); err == nil && number < note.ID; number++ {
		err = c.reply(Note{ID: number, Text: note.Text})
	}
	return err
}

// swell replies without end, and notes when the caller has had enough.
func swell(c *conversation) error {
	note, err := c.request()
	for number := int64(0); err == nil; number++ {
		err = c.reply(Note{ID: number, Text: strings.Repeat("x", int(note.ID))})
	}
	if errors.Is(err, yamux.ErrConnectionReset) {
		ended.Add(1)
	}
	return err
}

func gather(c *conversation) error {
	total := Note{}
	for {
		note, err := c.request()
		if err == io.EOF {
			return c.reply(total)
		}
		if err != nil {
			return err
		}
		total.ID += note.ID
		total.Text += note.Text
	}
}

func echo(c *conversation) error {
	for {
		note, err := c.request()
		if err == io.EOF {
			return nil
		}
		if err == nil {
			err = c.reply(note)
		}
		if err == nil {
			err = c.buffer.Flush()
		}
		if err != nil {
			return err
		}
	}
}

func (c *conversation) request() (note Note, err error) {
	err = c.dec.Decode(&note)
	return note, err
}

func (c *conversation) reply(note Note) error {
	if err := c.enc.EncodeArrayLen(2); err != nil {
		return err
	}
	if err := c.enc.EncodeInt(0); err != nil {
		return err
	}
	return c.enc.Encode(&note)
}

// ---- the client

func call(port string) {
	connection, err := net.Dial("tcp", "127.0.0.1:"+port)
	check(err)
	session, err := yamux.Client(connection, nil)
	check(err)
	_, err = session.Ping()
	check(err)
	callUnary(session)
	callStreams(session)
	_, err = session.Ping()
	check(err)
	check(session.Close())
	fmt.Println("fine")
}

func callUnary(session *yamux.Session) {
	var callers sync.WaitGroup
	for number := int64(0); number < 64; number++ {
		callers.Add(1)
		go func() {
			defer callers.Done()
			expect(ask(session, "Tell", Note{ID: number, Text: "é"}), Note{ID: number, Text: "é"})
		}()
	}
	callers.Wait()
	large := Note{ID: 1, Text: strings.Repeat("y", 3_000_000)}
	expect(ask(session, "Tell", large), large)
	expect(ask(session, "Grow", Note{ID: 300_000}), Note{ID: 300_000, Text: strings.Repeat("x", 300_000)})
	refused(session, "Refuse", Note{ID: 7, Text: "NOT_FOUND"}, "NOT_FOUND: refused no. 7")
	refused(session, "Nothing", Note{}, "UNIMPLEMENTED: there is no method 'Nothing'")
}

func callStreams(session *yamux.Session) {
	c := start(session, "Count")
	c.send(Note{ID: 500, Text: "c"})
	c.end()
	for number := int64(0); number < 500; number++ {
		expect(c.receive(), Note{ID: number, Text: "c"})
	}
	c.over()

	c = start(session, "Gather")
	for number := int64(0); number < 20_000; number++ {
		c.send(Note{ID: number, Text: strings.Repeat("g", 50)})
	}
	c.end()
	expect(c.receive(), Note{ID: 19_999 * 20_000 / 2, Text: gathered()})
	c.over()

	c = start(session, "Enough")
	c.send(Note{ID: 3})
	check(c.buffer.Flush())
	expect(c.receive(), Note{ID: 3, Text: "enough"})
	c.end()
	c.over()

	c = start(session, "Converse")
	for number := int64(0); number < 100; number++ {
		note := Note{ID: number, Text: strings.Repeat("v", int(number)*1000)}
		c.send(note)
		check(c.buffer.Flush())
		expect(c.receive(), note)
	}
	c.end()
	c.over()
}

// gathered is what the contract's service makes of many texts: joined by spaces and cut.
func gathered() string {
	return strings.Repeat(strings.Repeat("g", 50)+" ", 20)[:1000]
}

func start(session *yamux.Session, method string) *conversation {
	stream, err := session.OpenStream()
	check(err)
	c := converse(stream)
	check(c.enc.EncodeString(method))
	return c
}

func ask(session *yamux.Session, method string, note Note) Note {
	c := start(session, method)
	c.send(note)
	c.end()
	answer := c.receive()
	c.over()
	return answer
}

func refused(session *yamux.Session, method string, note Note, text string) {
	c := start(session, method)
	c.send(note)
	c.end()
	if _, err := c.next(); err == nil || err.Error() != text {
		log.Fatalf("%s: %v instead of %s", method, err, text)
	}
	c.over()
}

func (c *conversation) send(note Note) { check(c.enc.Encode(&note)) }

func (c *conversation) end() {
	check(c.buffer.Flush())
	check(c.stream.Close())
}

func (c *conversation) receive() Note {
	note, err := c.next()
	check(err)
	return note
}

func (c *conversation) next() (note Note, err error) {
	size, err := c.dec.DecodeArrayLen()
	if err != nil {
		return note, err
	}
	kind, err := c.dec.DecodeInt()
	if err != nil {
		return note, err
	}
	if kind == 0 && size == 2 {
		err = c.dec.Decode(&note)
		return note, err
	}
	code, err := c.dec.DecodeString()
	if err != nil {
		return note, err
	}
	text, err := c.dec.DecodeString()
	if err != nil {
		return note, err
	}
	return note, &failure{code, text}
}

func (c *conversation) over() {
	if _, err := c.next(); err != io.EOF {
		log.Fatalf("%v instead of the end", err)
	}
}

func expect(got, wanted Note) {
	if got != wanted {
		log.Fatalf("%.100v instead of %.100v", got, wanted)
	}
}

func check(err error) {
	if err != nil {
		log.Fatal(err)
	}
}
