// contract.Oracle, written by rpcduel schema.
#nullable enable
using System;
using System.Collections.Generic;
using System.Threading;
using System.Threading.Tasks;
using MemoryPack;
using MessagePack;

namespace Contract;

public interface IOracle
{
    ValueTask<Wide> Same(Wide request, CancellationToken cancellation = default);

    ValueTask<Told> Tell(Ask request, CancellationToken cancellation = default);

    ValueTask<Told> Grow(Ask request, CancellationToken cancellation = default);

    ValueTask<Told> Refuse(Ask request, CancellationToken cancellation = default);

    ValueTask<Told> Crash(Ask request, CancellationToken cancellation = default);

    /// <summary>Give `ask.id` replies.</summary>
    IAsyncEnumerable<Told> Count(Ask request, CancellationToken cancellation = default);

    /// <summary>Give `ask.id` replies, and then fail with the code `ask.text`.</summary>
    IAsyncEnumerable<Told> Crumble(Ask request, CancellationToken cancellation = default);

    /// <summary>Give replies of growing length without end, and note when the caller has had enough.</summary>
    IAsyncEnumerable<Told> Swell(Ask request, CancellationToken cancellation = default);

    /// <summary>Add up what comes.</summary>
    ValueTask<Told> Gather(IAsyncEnumerable<Ask> requests, CancellationToken cancellation = default);

    /// <summary>Answer after the first request, whatever else would come.</summary>
    ValueTask<Told> Enough(IAsyncEnumerable<Ask> requests, CancellationToken cancellation = default);

    /// <summary>Answer each request with one reply.</summary>
    IAsyncEnumerable<Told> Converse(IAsyncEnumerable<Ask> requests, CancellationToken cancellation = default);

    /// <summary>Answer each request with as many replies as it says, none included; and say goodbye.</summary>
    IAsyncEnumerable<Told> Fan(IAsyncEnumerable<Ask> requests, CancellationToken cancellation = default);
}

[MessagePackObject, MemoryPackable]
public partial class Wide
{
    [Key(0)]
    public long Number { get; set; }

    [Key(1)]
    public double Share { get; set; }

    [Key(2)]
    public bool Sure { get; set; }

    [Key(3)]
    public string Text { get; set; } = "";

    [Key(4)]
    public byte[] Data { get; set; } = Array.Empty<byte>();

    [Key(5)]
    public Colour Colour { get; set; }

    [Key(6)]
    public DateTime When { get; set; }

    [Key(7)]
    public Guid Key { get; set; }

    [Key(8)]
    public string? Maybe { get; set; }

    [Key(9)]
    public List<long> Numbers { get; set; } = new();

    [Key(10)]
    public Dictionary<string, long> Prices { get; set; } = new();

    [Key(11)]
    public List<Point> Points { get; set; } = new();

    [Key(12)]
    public int Half { get; set; }
}

[MessagePackObject, MemoryPackable]
public partial class Point
{
    [Key(0)]
    public long X { get; set; }

    [Key(1)]
    public double Y { get; set; }
}

[MessagePackObject, MemoryPackable]
public partial class Ask
{
    [Key(0)]
    public long Id { get; set; }

    [Key(1)]
    public string Text { get; set; } = "";
}

[MessagePackObject, MemoryPackable]
public partial class Told
{
    [Key(0)]
    public long Id { get; set; }

    [Key(1)]
    public string Text { get; set; } = "";
}

public enum Colour : int
{
    Red = 0,
    Blue = 1,
}
