#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
# The scripts that make bindings of the headers: what they do not understand stops them, by name.
# shellcheck source=tests/tap.sh
. "$DVM_SRC/tests/tap.sh"

command -v python3 > /dev/null || skip_all "there is no python3"
temp=$(mktemp -d)
trap 'rm -rf "$temp"' EXIT
mkdir "$temp/dvm"
header=$temp/dvm/x.h

made() # fortran|python, the header on standard input
{
	cat > "$header"
	python3 "$DVM_SRC/build-aux/gen-$1.py" "$header" 2>&1
}

refused() # NAME LINE: by both
{
	local binding
	for binding in fortran python; do
		like "$1 ($binding)" "$(printf '%s;\n' "$2" | made $binding)" "$header: not understood, *"
	done
}

refused "a type that nobody knows" 'DVM_PUBLIC int dvm_f(dvm_odd_t *x)'
refused "variable arguments" 'DVM_PUBLIC int dvm_f(int n, ...)'
refused "a callback without a name" 'DVM_PUBLIC int dvm_f(int (*f)(int))'
refused "a union" 'typedef union dvm_u { int a; float b; } dvm_u_t'
refused "a field of bits" 'typedef struct dvm_s { int a : 3; } dvm_s_t'
refused "a value that is no constant" 'enum { DVM_A = sizeof(int) }'
refused "pointers side by side" 'typedef struct dvm_s { int *a, *b; } dvm_s_t'
refused "a macro with arguments" '#define DVM_F(x) (x)
DVM_PUBLIC int dvm_f(int n)'
like "names that Fortran takes for one" "$(made fortran <<< '
enum { DVM_SEND = 1 };
DVM_PUBLIC int dvm_send(int n);')" '*dvm_send cannot be had in Fortran beside DVM_SEND*'
like "no function at all" "$(made python <<< 'enum { DVM_A };')" '*no function found*'

out=$(made fortran <<< '
typedef struct dvm_h dvm_h_t;
typedef enum dvm_e { DVM_A, DVM_B = 4, DVM_C } dvm_e_t;
enum { DVM_BIG = 1 << 3 | DVM_C };
#define DVM_MINUS (-1)
typedef struct dvm_s { uint64_t a[2]; void *p; dvm_e_t e; int b, c; } dvm_s_t;
typedef int dvm_cb_t(const dvm_s_t *s, void *arg);
DVM_PUBLIC int dvm_f(dvm_h_t **out, const dvm_h_t *const *of, const void *buf, size_t len,
		     const size_t *lens, int64_t *one, dvm_s_t *ss, size_t n, dvm_cb_t *cb, void *arg);
DVM_PUBLIC int dvm_h(const dvm_h_t *h, size_t n, int *out);
DVM_PUBLIC void dvm_g(bool b, double x, const char *text);')
has() # TEXT
{
	like "Fortran: $1" "$out" "*$1*"
}
has 'parameter :: DVM_C = 5_c_int'
has 'parameter :: DVM_BIG = 13_c_int'
has 'parameter :: DVM_MINUS = -1_c_int'
has 'integer(c_int64_t) :: a(2)'
has 'integer(c_int) :: c'
has 'type(c_ptr), optional, intent(inout) :: out'
has 'integer(c_int), optional, intent(inout) :: out(\*)'
has 'type(c_ptr), optional, intent(in) :: of(\*)'
has 'type(\*), optional, asynchronous, intent(in) :: buf(\*)'
has 'integer(c_size_t), value :: len'
has 'integer(c_size_t), optional, intent(in) :: lens(\*)'
has 'integer(c_int64_t), optional, intent(inout) :: one'
has 'type(dvm_s_t), optional, intent(inout) :: ss(\*)'
has 'type(c_funptr), value :: cb'
has 'type(c_ptr), value :: arg'
has 'subroutine dvm_g(b, x, text) bind(c, name="dvm_g")'
has 'logical(c_bool), value :: b'
has 'character(kind=c_char), optional, intent(in) :: text(\*)'
tap_end
