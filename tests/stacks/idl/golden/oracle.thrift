// contract.Oracle, written by rpcduel schema.
namespace * contract

enum Colour {
  RED = 0,
  BLUE = 1,
}

struct Point {
  1: i64 x,
  2: double y,
}

struct Wide {
  1: i64 number,
  2: double share,
  3: bool sure,
  4: string text,
  5: binary data,
  6: Colour colour,
  7: i64 when_,  // times in microseconds since 1970-01-01 UTC
  8: binary key,  // UUIDs have 16 bytes
  9: optional string maybe,
  10: list<i64> numbers,
  11: map<string, i64> prices,
  12: list<Point> points,
  13: i32 half,
}

struct Ask {
  1: i64 id,
  2: string text,
}

struct Told {
  1: i64 id,
  2: string text,
}

// A call that failed: a status code of gRPC, such as INVALID_ARGUMENT, and what happened.
exception RpcError {
  1: string code,
  2: string text,
}

service Oracle {
  Wide Same(1: Wide request) throws (1: RpcError error),
  Told Tell(1: Ask request) throws (1: RpcError error),
  Told Grow(1: Ask request) throws (1: RpcError error),
  Told Refuse(1: Ask request) throws (1: RpcError error),
  Told Crash(1: Ask request) throws (1: RpcError error),
  // Count is left out: it is a server-stream call, and Thrift has no streams.
  // Crumble is left out: it is a server-stream call, and Thrift has no streams.
  // Swell is left out: it is a server-stream call, and Thrift has no streams.
  // Gather is left out: it is a client-stream call, and Thrift has no streams.
  // Enough is left out: it is a client-stream call, and Thrift has no streams.
  // Converse is left out: it is a bidi call, and Thrift has no streams.
  // Fan is left out: it is a bidi call, and Thrift has no streams.
}
