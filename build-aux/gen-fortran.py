#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""Writes the Fortran module `dvm` from the public headers: gen-fortran.py HEADER… >dvm.f90

Every constant, struct, callback and function, under its C name. How types are passed is said at the
head of the module.
"""
import contextlib
import io
import os
import sys

sys.dont_write_bytecode = True
sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import capi  # pylint: disable=wrong-import-position

HEAD = """\
! SPDX-License-Identifier: BSD-3-Clause
! Made from the installed headers of dvm, which say what everything does.
!
! Handles (dvm_t, dvm_group_t, dvm_req_t, ...) are type(c_ptr). Buffers of any type and rank are
! passed as they are, if they are contiguous. Whatever is a pointer in C and may be NULL there can
! be left out; what follows it then goes by keyword. Text for C ends with c_null_char; dvm_f_text()
! makes a Fortran string of what comes back. Callbacks are passed by c_funloc(); their interfaces
! are here under the names of the C types. A buffer of an operation that goes on after the call
! (dvm_isend, dvm_irecv, ...) should be asynchronous in the program, too, until it is waited for.
! It must be contiguous: of a section that is not, the compiler passes a copy, which ends with the
! call. Describe such a section by a layout and pass its first element.
module dvm
\tuse, intrinsic :: iso_c_binding
\timplicit none
\tpublic
"""

TAIL = """
\tinterface dvm_f_text
\t\tmodule procedure dvm_f_text_of_pointer, dvm_f_text_of_array
\tend interface
\tprivate :: dvm_f_text_of_pointer, dvm_f_text_of_array

contains

\t! The string that a function of C has returned, as dvm_strerror().
\tfunction dvm_f_text_of_pointer(pointer) result(text)
\t\ttype(c_ptr), intent(in) :: pointer
\t\tcharacter(:), allocatable :: text
\t\tcharacter(kind=c_char), pointer :: chars(:)
\t\tinteger :: n

\t\ttext = ''
\t\tif (.not. c_associated(pointer)) return
\t\tn = 0
\t\tdo
\t\t\tcall c_f_pointer(pointer, chars, [n + 1])
\t\t\tif (chars(n + 1) == c_null_char) exit
\t\t\tn = n + 1
\t\tend do
\t\ttext = dvm_f_text_of_array(chars)
\tend function

\t! What an array of C characters says, as the text of a dvm_error_t.
\tfunction dvm_f_text_of_array(chars) result(text)
\t\tcharacter(kind=c_char), intent(in) :: chars(:)
\t\tcharacter(:), allocatable :: text
\t\tinteger :: i, n

\t\tn = 0
\t\tdo while (n < size(chars))
\t\t\tif (chars(n + 1) == c_null_char) exit
\t\t\tn = n + 1
\t\tend do
\t\tallocate(character(n) :: text)
\t\tdo i = 1, n
\t\t\ttext(i:i) = chars(i)
\t\tend do
\tend function
end module
"""

KINDS = {
    "char": "character(kind=c_char)", "bool": "logical(c_bool)", "float": "real(c_float)",
    "double": "real(c_double)", "int": "integer(c_int)", "unsigned": "integer(c_int)",
    "long": "integer(c_long)", "size_t": "integer(c_size_t)", "ssize_t": "integer(c_size_t)",
    "intptr_t": "integer(c_intptr_t)", "uintptr_t": "integer(c_intptr_t)",
    "ptrdiff_t": "integer(c_ptrdiff_t)",
    **{f"{u}int{n}_t": f"integer(c_int{n}_t)" for u in ("", "u") for n in (8, 16, 32, 64)},
}


class Writer:
    """Prints one Api."""

    def __init__(self, api):
        self.api, self.names = api, {}

    def kind(self, base):
        if base in self.api.enums:
            return "integer(c_int)"
        if base in self.api.structs:
            return f"type({base})"
        return KINDS[base]

    def claim(self, name):
        """Fortran does not tell DVM_X from dvm_x, and knows no names of more than 63 letters."""
        other = self.names.setdefault(name.lower(), name)
        if other != name or len(name) > 63:
            sys.exit(f"gen-fortran.py: {name} cannot be had in Fortran beside {other}")

    def write(self):
        for name, _ in self.api.constants:
            self.claim(name)
        for name in (*self.api.structs, *self.api.callbacks):
            self.claim(name)
        for f in self.api.functions:
            self.claim(f.name)
        print(HEAD)
        for name, value in self.api.constants:
            self.constant(name, value)
        for name, fields in self.api.structs.items():
            self.struct(name, fields)
        print("\n\tabstract interface")
        for f in self.api.callbacks.values():
            self.function(f, False)
        print("\tend interface\n\n\tinterface")
        for f in self.api.functions:
            self.function(f, True)
        print("\tend interface")
        print(TAIL, end="")

    def constant(self, name, value):
        kind = "c_int" if -2**31 <= value < 2**31 else "c_int64_t"
        if value >= 2**63:
            value -= 2**64
        text = f"{value}_{kind}" if value > -2**63 else f"-{2**63 - 1}_{kind} - 1"
        print(f"\tinteger({kind}), parameter :: {name} = {text}")

    def struct(self, name, fields):
        print(f"\n\ttype, bind(c) :: {name}")
        for field, t in fields:
            dims = f"({t.array})" if t.array else ""
            if t.pointers and t.base in self.api.callbacks:
                kind = "type(c_funptr)"
            elif t.pointers or t.base in self.api.handles:
                kind = "type(c_ptr)"
            else:
                kind = self.kind(t.base)
            print(f"\t\t{kind} :: {field}{dims}")
        print("\tend type")

    # ---- functions ----

    def function(self, f, public):
        args = ", ".join(name for name, _ in f.params)
        result = self.result(f.result)
        what = "function" if result else "subroutine"
        tail = f'bind(c, name="{f.name}")' if public else "bind(c)"
        self.long_line(f"\t\t{what} {f.name}({args}) {tail}" + (" result(dvm_result)" if result else ""))
        print("\t\t\timport")
        for i, (name, t) in enumerate(f.params):
            if public:
                self.argument(f, i, name, t)
            else:
                self.given(name, t)
        if result:
            print(f"\t\t\t{result} :: dvm_result")
        print(f"\t\tend {what}")

    def result(self, t):
        if t.base == "void" and not t.pointers:
            return None
        return "type(c_ptr)" if t.pointers else self.kind(t.base)

    def long_line(self, line):
        """Broken at commas: the standard's lines have 132 characters."""
        while len(line.expandtabs(8)) > 100:
            cut = line.rfind(",", 0, 70)
            print(line[:cut + 1] + " &")
            line = "\t\t\t\t" + line[cut + 1:].lstrip()
        print(line)

    def argument(self, f, i, name, t):
        kind, attributes, dims = self.passing(f, i, t)
        if "type(*)" in kind:
            print(f"\t\t\t!GCC$ ATTRIBUTES NO_ARG_CHECK :: {name}")
            print(f"\t\t\t!DIR$ IGNORE_TKR {name}")
        print(f"\t\t\t{', '.join([kind, *attributes])} :: {name}{dims}")

    def is_context(self, f, i):
        """What is handed on to a callback, which stands before it."""
        return f.params[i][0] == "arg" or (
            i > 0 and f.params[i - 1][1].base in self.api.callbacks)

    def given(self, name, t):
        """A parameter of a callback: whoever writes one knows by c_f_pointer() what is there."""
        if t.pointers and t.base in self.api.structs and t.pointers == 1:
            intent = "intent(in)" if t.const else "intent(inout)"
            print(f"\t\t\t{self.kind(t.base)}, {intent} :: {name}")
        elif t.pointers:
            print(f"\t\t\ttype(c_ptr), value :: {name}")
        else:
            print(f"\t\t\t{self.kind(t.base)}, value :: {name}")

    def passing(self, f, i, t):
        """(type, attributes, dimensions) of a parameter."""
        intent = "intent(in)" if t.const else "intent(inout)"
        if t.base in self.api.callbacks:
            return "type(c_funptr)", ["value"], ""
        if t.base in self.api.handles or (t.base == "void" and t.pointers == 2):
            if t.pointers == 1:
                return "type(c_ptr)", ["value"], ""
            many = t.const or capi.is_list(f, i)
            return "type(c_ptr)", ["optional", intent], "(*)" if many else ""
        if t.base == "void" and self.is_context(f, i):
            return "type(c_ptr)", ["value"], ""
        if t.base == "void":
            return "type(*)", ["optional", "asynchronous", intent], "(*)"
        if t.pointers > 1 or (t.base == "char" and t.array):
            return "type(c_ptr)", ["optional", intent], "(*)" if capi.is_list(f, i) else ""
        if t.pointers == 1 or t.array is not None:
            many = capi.is_list(f, i) or (t.const and t.base not in self.api.structs)
            return self.kind(t.base), ["optional", intent], "(*)" if many else ""
        return self.kind(t.base), ["value"], ""


def main():
    text = io.StringIO()
    with contextlib.redirect_stdout(text):
        Writer(capi.read(sys.argv[1:])).write()
    sys.stdout.write(text.getvalue().expandtabs(2))  # Fortran knows no tabs


main()
