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

/// <summary>What prices are in.</summary>
public enum Currency : int
{
    Eur = 0,
    Usd = 1,
    Jpy = 2,
}
