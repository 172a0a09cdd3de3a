#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""Writes the Python module `dvm` (ctypes) from the public headers: gen-python.py HEADER… >dvm.py

Every constant, struct, callback type and function, under its C name; nothing is added to what
ctypes does with them.
"""
import os
import sys

sys.dont_write_bytecode = True
sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import capi  # pylint: disable=wrong-import-position

HEAD = '''\
# SPDX-License-Identifier: BSD-3-Clause
"""libdvm by ctypes, made from its installed headers, which say what everything does.

Functions have their C names and types: an int that is negative is an error, see dvm_strerror().
Handles are c_void_p: pass byref(handle) where one is made. Buffers are whatever ctypes takes for a
void pointer, as (c_double * n)() or (c_char * n).from_buffer(bytearray). Structs with a field
`size` want sizeof(). Calls release Python's lock while they are in the library.

The library is libdvm.so.0, or $DVM_LIBRARY.
"""
import ctypes
import os
from ctypes import CFUNCTYPE, POINTER, Structure

_lib = ctypes.CDLL(os.environ.get("DVM_LIBRARY", "libdvm.so.0"))
'''

KINDS = {
    "char": "c_char", "bool": "c_bool", "float": "c_float", "double": "c_double", "int": "c_int",
    "unsigned": "c_uint", "long": "c_long", "size_t": "c_size_t", "ssize_t": "c_ssize_t",
    "intptr_t": "c_ssize_t", "uintptr_t": "c_size_t", "ptrdiff_t": "c_ssize_t",
    **{f"{u}int{n}_t": f"c_{u}int{n}" for u in ("", "u") for n in (8, 16, 32, 64)},
}


class Writer:
    """Prints one Api."""

    def __init__(self, api):
        self.api = api

    def type(self, t):
        """The ctypes type of a parameter, field or result."""
        base, pointers = t.base, t.pointers
        if base in self.api.callbacks:
            return base
        if base in self.api.handles or base == "void":
            if base == "void" and not pointers:
                return "None"
            base, pointers = "ctypes.c_void_p", pointers - 1
        elif base == "char" and pointers and t.const:
            base, pointers = "ctypes.c_char_p", pointers - 1
        elif base not in self.api.structs:
            base = "ctypes." + ("c_int" if base in self.api.enums else KINDS[base])
        if t.array is not None and not t.array:
            pointers += 1  # a parameter
        for _ in range(pointers):
            base = f"POINTER({base})"
        return f"{base} * {t.array}" if t.array else base

    def write(self):
        print(HEAD)
        for name, value in self.api.constants:
            print(f"{name} = {value}")
        todo = dict(self.api.callbacks)
        for name, fields in self.api.structs.items():
            for field in fields:
                self.callback(todo.pop(field[1].base, None))
            self.struct(name, fields)
        print()
        for f in todo.values():
            self.callback(f)
        print()
        for f in self.api.functions:
            self.function(f)

    def callback(self, f):
        if f:
            types = [self.type(t) for t in (f.result, *(t for _, t in f.params))]
            print(f"\\n{f.name} = CFUNCTYPE({', '.join(types)})".replace("\\n", "\n"))

    def struct(self, name, fields):
        print(f"\n\nclass {name}(Structure):\n    _fields_ = [")
        for field, t in fields:
            print(f'        ("{field}", {self.type(t)}),')
        print("    ]\n")

    def function(self, f):
        print(f"{f.name} = _lib.{f.name}\n{f.name}.restype = {self.type(f.result)}\n"
              f"{f.name}.argtypes = [")
        for _, t in f.params:
            print(f"    {self.type(t)},")
        print("]")


Writer(capi.read(sys.argv[1:])).write()
