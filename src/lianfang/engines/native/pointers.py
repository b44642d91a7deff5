"""An array as a bare pointer, an address as one, and a hint to fetch memory before it is needed.

A numba array is seven words and checks for negative indices. The kernel passes its arrays between many small functions,
so it takes their pointers once; `pointer[i]` then is one load. What keeps `i` in bounds is said where they are used.
And a call from Python costs 80 ns for each array but 20 for each number, so the hot path passes addresses.
"""

from __future__ import annotations

import sys
from typing import Any

from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic


@intrinsic
def pointer(typingctx: Any, array: Any) -> Any:
    """The address of a contiguous array's first item, indexable, without bounds."""

    def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        return context.make_array(signature.args[0])(context, builder, args[0]).data

    return types.CPointer(array.dtype)(array), codegen


@intrinsic
def prefetch(typingctx: Any, where: Any, i: Any) -> Any:
    """Start fetching `where[i]` (a pointer) for writing. Never faults.

    Without it a payment with 25 rings waits for memory 25 times in a row; with it, about three times.
    """

    def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        i32, byte = ir.IntType(32), ir.IntType(8).as_pointer()
        place = builder.bitcast(builder.gep(args[0], [args[1]]), byte)
        kind = ir.FunctionType(ir.VoidType(), [byte, i32, i32, i32])
        hint = cgutils.get_or_insert_function(builder.module, kind, "llvm.prefetch.p0")
        builder.call(hint, [place, ir.Constant(i32, 1), ir.Constant(i32, 3), ir.Constant(i32, 1)])
        return context.get_dummy_value()

    return types.void(where, types.int64), codegen


@intrinsic
def word(typingctx: Any, data: Any, i: Any) -> Any:
    """Eight bytes of `data` (a pointer to uint8) from `i` on as a little-endian uint64, aligned or not. Unchecked."""

    def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        i64 = ir.IntType(64)
        place = builder.bitcast(builder.gep(args[0], [args[1]]), i64.as_pointer())
        loaded = builder.load(place)
        loaded.align = 1
        if sys.byteorder == "big":
            swap = ir.FunctionType(i64, [i64])
            return builder.call(cgutils.get_or_insert_function(builder.module, swap, "llvm.bswap.i64"), [loaded])
        return loaded

    return types.uint64(data, types.uint64), codegen


def _from_address(kind: Any) -> Any:
    @intrinsic
    def cast(typingctx: Any, address: Any) -> Any:
        def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
            return builder.inttoptr(args[0], context.get_value_type(signature.return_type))

        return types.CPointer(kind)(types.int64), codegen

    return cast


int64s = _from_address(types.int64)
"""An address (int64) as a pointer to int64."""
uint64s = _from_address(types.uint64)
"""An address as a pointer to uint64."""
float64s = _from_address(types.float64)
"""An address as a pointer to float64."""
float32s = _from_address(types.float32)
"""An address as a pointer to float32."""
uint32s = _from_address(types.uint32)
"""An address as a pointer to uint32."""
