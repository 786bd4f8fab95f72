// rpcduel.Shop, written by rpcduel schema.
namespace * rpcduel

// What prices are in.
enum Currency {
  EUR = 0,
  USD = 1,
  JPY = 2,
}

// So many pieces of one article at a price in hundredths.
struct Line {
  1: string article,
  2: i64 quantity,
  3: i64 price,
}

// What a customer wants.
struct Order {
  1: i64 id,
  2: string customer,
  3: i64 placed,  // times in microseconds since 1970-01-01 UTC
  4: Currency currency,
  5: bool express,
  6: optional double discount,
  7: list<Line> lines,
}

// What the order comes to, in hundredths.
struct Receipt {
  1: i64 order,
  2: string customer,
  3: Currency currency,
  4: i64 pieces,
  5: i64 net,
  6: double tax,
  7: string longest,
  8: i64 due,  // times in microseconds since 1970-01-01 UTC
}

// Bytes that come back as they went.
struct Note {
  1: i64 id,
  2: binary body,
}

// Asks for an order's quote so many times over.
struct Haul {
  1: i64 count,
  2: Order order,
}

// Asks for a note so many times over.
struct Load {
  1: i64 count,
  2: Note note,
}

// A call that failed: a status code of gRPC, such as INVALID_ARGUMENT, and what happened.
exception RpcError {
  1: string code,
  2: string text,
}

service Shop {
  // Read every line of `order` and add it up.
  Receipt Quote(1: Order request) throws (1: RpcError error),
  // Give `note` back.
  Note Echo(1: Note request) throws (1: RpcError error),
  // Quotes is left out: it is a server-stream call, and Thrift has no streams.
  // Basket is left out: it is a client-stream call, and Thrift has no streams.
  // Haggle is left out: it is a bidi call, and Thrift has no streams.
  // Upload is left out: it is a client-stream call, and Thrift has no streams.
  // Download is left out: it is a server-stream call, and Thrift has no streams.
  // Relay is left out: it is a bidi call, and Thrift has no streams.
}
