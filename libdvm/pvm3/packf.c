/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * pvm_packf() and pvm_unpackf(). A field is %, a count, a stride behind a dot (* takes either from
 * the arguments), any of h, l and u, and one of c d f x s. A field with neither count nor stride
 * packs its argument's value; x and s, and everything that is unpacked, take an address. %+ at the
 * beginning of a format is pvm_initsend().
 */
#include <ctype.h>
#include <stdarg.h>

#include "libdvm/pvm3/code.h"
#include "libdvm/pvm3/state.h"

struct field {
	int count, stride;
	bool addressed; /* count or stride was said */
	bool half, wide, plain;
	char what;
};

/* A number at *F, or one of the arguments. */
static int number(const char **f, va_list *ap)
{
	int n = 0;

	if (**f == '*') {
		(*f)++;
		return va_arg(*ap, int);
	}
	while (isdigit((unsigned char)**f) && n < INT32_MAX / 10 - 1)
		n = n * 10 + (*(*f)++ - '0');
	return n;
}

static bool begins_number(char c)
{
	return c == '*' || isdigit((unsigned char)c);
}

/* Reads what is behind a %. */
static int parse(const char **f, va_list *ap, struct field *out)
{
	struct field x = { .count = 1, .stride = 1 };

	if (begins_number(**f)) {
		x.count = number(f, ap);
		x.addressed = true;
	}
	if (**f == '.') {
		(*f)++;
		x.stride = number(f, ap);
		x.addressed = true;
	}
	for (; **f == 'h' || **f == 'l' || **f == 'u'; (*f)++) {
		x.half |= **f == 'h';
		x.wide |= **f == 'l';
		x.plain |= **f == 'u';
	}
	x.what = **f;
	if (!x.what)
		return PvmBadParam;
	(*f)++;
	*out = x;
	return 0;
}

static int int_type(const struct field *x)
{
	if (x->half)
		return x->plain ? PVM_USHORT : PVM_SHORT;
	if (x->wide)
		return x->plain ? PVM_ULONG : PVM_LONG;
	return x->plain ? PVM_UINT : PVM_INT;
}

static int type_of(const struct field *x)
{
	switch (x->what) {
	case 'c':
		return PVM_BYTE;
	case 'd':
		return int_type(x);
	case 'f':
		return x->wide ? PVM_DOUBLE : PVM_FLOAT;
	case 'x':
		return x->wide ? PVM_DCPLX : PVM_CPLX;
	case 's':
		return PVM_STR;
	default:
		return PvmBadParam;
	}
}

/* A value among the arguments, where what is smaller than an int has become one. */
static int pack_value(struct pvmi_msg *m, int type, va_list *ap)
{
	union {
		char c;
		short h;
		int i;
		long l;
		float f;
		double d;
	} v;

	switch (type) {
	case PVM_BYTE:
		v.c = (char)va_arg(*ap, int);
		break;
	case PVM_SHORT:
	case PVM_USHORT:
		v.h = (short)va_arg(*ap, int);
		break;
	case PVM_LONG:
	case PVM_ULONG:
		v.l = va_arg(*ap, long);
		break;
	case PVM_FLOAT:
		v.f = (float)va_arg(*ap, double);
		break;
	case PVM_DOUBLE:
		v.d = va_arg(*ap, double);
		break;
	default:
		v.i = va_arg(*ap, int);
	}
	return pvmi_pack(m, type, &v, 1, 1);
}

static int pack_field(struct pvmi_msg *m, const struct field *x, va_list *ap)
{
	int type = type_of(x);

	if (type < 0)
		return type;
	if (type == PVM_STR)
		return pvmi_pack_str(m, va_arg(*ap, const char *));
	if (!x->addressed && x->what != 'x' && m->enc != PVMI_ENC_PLACE)
		return pack_value(m, type, ap);
	return pvmi_pack(m, type, va_arg(*ap, const void *), x->count, x->stride);
}

static int unpack_field(struct pvmi_msg *m, const struct field *x, va_list *ap)
{
	int type = type_of(x);

	if (type < 0)
		return type;
	if (type == PVM_STR)
		return pvmi_unpack_str(m, va_arg(*ap, char *));
	return pvmi_unpack(m, type, va_arg(*ap, void *), x->count, x->stride);
}

static int each_field(struct pvmi_msg *m, const char *f, va_list *ap,
		      int (*take)(struct pvmi_msg *m, const struct field *x, va_list *ap))
{
	struct field x;
	int rc = 0;

	while (rc == 0 && *f) {
		if (*f++ != '%')
			continue;
		rc = parse(&f, ap, &x);
		if (rc == 0)
			rc = take(m, &x, ap);
	}
	return rc;
}

static bool begins_anew(const char **f)
{
	const char *p = *f;

	while (*p && *p != '%')
		p++;
	if (p[0] != '%' || p[1] != '+')
		return false;
	*f = p + 2;
	return true;
}

int pvmi_vpackf(const char *f, va_list *ap)
{
	if (begins_anew(&f)) {
		int rc = pvmi_initsend(va_arg(*ap, int));
		if (rc < 0)
			return rc;
	}
	if (!pvmi.sbuf)
		return PvmNoBuf;
	pvmi_msg_packing(pvmi.sbuf);
	return each_field(pvmi.sbuf, f, ap, pack_field);
}

int pvm_packf(const char *format, ...)
{
	va_list ap;

	va_start(ap, format);
	int rc = format ? pvmi_vpackf(format, &ap) : PvmBadParam;
	va_end(ap);
	return pvmi_result("pvm_packf", rc);
}

int pvm_unpackf(const char *format, ...)
{
	va_list ap;

	if (!format)
		return pvmi_result("pvm_unpackf", PvmBadParam);
	if (!pvmi.rbuf)
		return pvmi_result("pvm_unpackf", PvmNoBuf);
	pvmi_msg_unpacking(pvmi.rbuf);
	va_start(ap, format);
	int rc = each_field(pvmi.rbuf, format, &ap, unpack_field);
	va_end(ap);
	return pvmi_result("pvm_unpackf", rc);
}
