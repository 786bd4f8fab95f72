"""Words that schema languages keep to themselves."""

from __future__ import annotations

_CSHARP = """
    abstract as base bool break byte case catch char checked class const continue decimal default delegate
    do double else enum event explicit extern false finally fixed float for foreach goto if implicit in
    int interface internal is lock long namespace new null object operator out override params private
    protected public readonly ref return sbyte sealed short sizeof stackalloc static string struct switch
    this throw true try typeof uint ulong unchecked unsafe ushort using virtual void volatile while
"""
_THRIFT = """
    async binary bool byte const cpp_include cpp_type double enum exception extends false i16 i32 i64 i8
    include list map namespace oneway optional required senum service set slist string struct throws true
    typedef union void xsd_all xsd_attrs xsd_nillable xsd_optional
"""
_THRIFT_TARGETS = """
    BEGIN END __CLASS__ __DIR__ __FILE__ __FUNCTION__ __LINE__ __METHOD__ __NAMESPACE__ abstract alias and
    args as assert begin break case catch class clone continue declare def default del delete do dynamic
    elif else elseif elsif end enddeclare endfor endforeach endif endswitch endwhile ensure except exec
    finally float for foreach from function global goto if implements import in inline instanceof
    interface is lambda module native new next nil not or pass print private protected public raise redo
    register rescue retry return self sizeof static super switch synchronized then this throw transient
    try undef unless unsigned until use var virtual volatile when while with xor yield
"""

CSHARP = frozenset(_CSHARP.split())
"""https://learn.microsoft.com/dotnet/csharp/language-reference/keywords/, those reserved everywhere."""
THRIFT = frozenset(f"{_THRIFT} {_THRIFT_TARGETS}".split())
"""Words of the language itself, and of those that compilers write, which thriftpy2's parser reserves, too."""
