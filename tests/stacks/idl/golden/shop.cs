// rpcduel.Shop, written by rpcduel schema.
#nullable enable
using System;
using System.Collections.Generic;
using System.Threading;
using System.Threading.Tasks;
using MemoryPack;
using MessagePack;

namespace Rpcduel;

public interface IShop
{
    /// <summary>Read every line of `order` and add it up.</summary>
    ValueTask<Receipt> Quote(Order request, CancellationToken cancellation = default);

    /// <summary>Give `note` back.</summary>
    ValueTask<Note> Echo(Note request, CancellationToken cancellation = default);

    /// <summary>Quote an order again and again, as somebody who watches a price sees it.</summary>
    IAsyncEnumerable<Receipt> Quotes(Haul request, CancellationToken cancellation = default);

    /// <summary>Add up orders into one receipt: that of the last, with the sums of all.</summary>
    ValueTask<Receipt> Basket(IAsyncEnumerable<Order> requests, CancellationToken cancellation = default);

    /// <summary>Quote each order as it comes.</summary>
    IAsyncEnumerable<Receipt> Haggle(IAsyncEnumerable<Order> requests, CancellationToken cancellation = default);

    /// <summary>Take notes; gives how many there were.</summary>
    ValueTask<Note> Upload(IAsyncEnumerable<Note> requests, CancellationToken cancellation = default);

    /// <summary>Give a note so many times.</summary>
    IAsyncEnumerable<Note> Download(Load request, CancellationToken cancellation = default);

    /// <summary>Give each note back as it comes.</summary>
    IAsyncEnumerable<Note> Relay(IAsyncEnumerable<Note> requests, CancellationToken cancellation = default);
}

/// <summary>What a customer wants.</summary>
[MessagePackObject, MemoryPackable]
public partial class Order
{
    [Key(0)]
    public long Id { get; set; }

    [Key(1)]
    public string Customer { get; set; } = "";

    [Key(2)]
    public DateTime Placed { get; set; }

    [Key(3)]
    public Currency Currency { get; set; }

    [Key(4)]
    public bool Express { get; set; }

    [Key(5)]
    public double? Discount { get; set; }

    [Key(6)]
    public List<Line> Lines { get; set; } = new();
}

/// <summary>So many pieces of one article at a price in hundredths.</summary>
[MessagePackObject, MemoryPackable]
public partial class Line
{
    [Key(0)]
    public string Article { get; set; } = "";

    [Key(1)]
    public long Quantity { get; set; }

    [Key(2)]
    public long Price { get; set; }
}

/// <summary>What the order comes to, in hundredths.</summary>
[MessagePackObject, MemoryPackable]
public partial class Receipt
{
    [Key(0)]
    public long Order { get; set; }

    [Key(1)]
    public string Customer { get; set; } = "";

    [Key(2)]
    public Currency Currency { get; set; }

    [Key(3)]
    public long Pieces { get; set; }

    [Key(4)]
    public long Net { get; set; }

    [Key(5)]
    public double Tax { get; set; }

    [Key(6)]
    public string Longest { get; set; } = "";

    [Key(7)]
    public DateTime Due { get; set; }
}

/// <summary>Bytes that come back as they went.</summary>
[MessagePackObject, MemoryPackable]
public partial class Note
{
    [Key(0)]
    public long Id { get; set; }

    [Key(1)]
    public byte[] Body { get; set; } = Array.Empty<byte>();
}

/// <summary>Asks for an order's quote so many times over.</summary>
[MessagePackObject, MemoryPackable]
public partial class Haul
{
    [Key(0)]
    public long Count { get; set; }

    [Key(1)]
    public Order Order { get; set; } = new();
}

/// <summary>Asks for a note so many times over.</summary>
[MessagePackObject, MemoryPackable]
public partial class Load
{
    [Key(0)]
    public long Count { get; set; }

    [Key(1)]
    public Note Note { get; set; } = new();
}

/// <summary>What prices are in.</summary>
public enum Currency : int
{
    Eur = 0,
    Usd = 1,
    Jpy = 2,
}
