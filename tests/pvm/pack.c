// SPDX-License-Identifier: BSD-3-Clause
/* Buffers: what is packed, how long it gets, what comes out again. */
#include "tests/pvm/show.h"

static int me;

/* What has been packed, sent to ourselves. */
static int turn_around(int tag)
{
	pvm_send(me, tag);
	return pvm_recv(me, tag);
}

static const char *const encodings[] = { "XDR", "raw" };

/* Packs 0 to 4 of a type, and every second one of it; shows the lengths and what comes out. */
#define TYPE(name, ctype, pk, upk, ...)                                                            \
	static void type_##name(int enc)                                                           \
	{                                                                                          \
		ctype in[] = { __VA_ARGS__ }, out[COUNT(in)] = { 0 };                              \
		size_t one = sizeof(in) / 4;                                                       \
		printf("%s %s:", encodings[enc], #name);                                           \
		for (int n = 0; n <= 4; n++) {                                                     \
			int buf = pvm_initsend(enc);                                               \
			int rc = pk(in, n, 1);                                                     \
			printf(" %d/%d", rc, buf_len(buf));                                        \
		}                                                                                  \
		turn_around(5);                                                                    \
		printf(" -> %d", upk(out, 4, 1));                                                  \
		printf(" %s", memcmp(in, out, sizeof(in)) == 0 ? "same" : "different");            \
		printf(" then %d\n", upk(out, 1, 1));                                              \
		pvm_initsend(enc);                                                                 \
		memset(out, 0, sizeof(out));                                                       \
		printf("  stride 2: %d", pk(in, 2, 2));                                            \
		turn_around(5);                                                                    \
		printf(" -> %d", upk(out, 2, 2));                                                  \
		char *from = (char *)in, *to = (char *)out;                                        \
		for (size_t n = 0; n < 4; n++)                                                     \
			printf(" %d", memcmp(from + n * one, to + n * one, one) == 0);             \
		printf("\n");                                                                      \
	}

TYPE(byte, char, pvm_pkbyte, pvm_upkbyte, 1, -1, 127, -128)
TYPE(short, short, pvm_pkshort, pvm_upkshort, 1, -1, SHRT_MAX, SHRT_MIN)
TYPE(int, int, pvm_pkint, pvm_upkint, 1, -1, INT_MAX, INT_MIN)
TYPE(long, long, pvm_pklong, pvm_upklong, 1, -1, LONG_MAX, LONG_MIN)
TYPE(ushort, unsigned short, pvm_pkushort, pvm_upkushort, 1, 2, 3, USHRT_MAX)
TYPE(uint, unsigned int, pvm_pkuint, pvm_upkuint, 1, 2, 3, UINT_MAX)
TYPE(ulong, unsigned long, pvm_pkulong, pvm_upkulong, 1, 2, 3, ULONG_MAX)
TYPE(float, float, pvm_pkfloat, pvm_upkfloat, 1, -1.5F, 3e38F, 1e-30F)
TYPE(double, double, pvm_pkdouble, pvm_upkdouble, 1, -1.5, 1e308, 1e-300)
TYPE(cplx, float, pvm_pkcplx, pvm_upkcplx, 1, 2, 3, 4, 5, 6, 7, 8)
TYPE(dcplx, double, pvm_pkdcplx, pvm_upkdcplx, 1, 2, 3, 4, 5, 6, 7, 8)

static void types(void)
{
	for (int enc = PvmDataDefault; enc <= PvmDataRaw; enc++) {
		type_byte(enc), type_short(enc), type_int(enc), type_long(enc);
		type_ushort(enc), type_uint(enc), type_ulong(enc);
		type_float(enc), type_double(enc), type_cplx(enc), type_dcplx(enc);
	}
}

static void strings(void)
{
	char *texts[] = { "", "a", "abc", "abcd", "hello" }, out[16];

	head("strings");
	for (int enc = PvmDataDefault; enc <= PvmDataRaw; enc++)
		for (int i = 0; i < COUNT(texts); i++) {
			int buf = pvm_initsend(enc);

			printf("%s %d: %d", encodings[enc], i, pvm_pkstr(texts[i]));
			printf("/%d", buf_len(buf));
			turn_around(1);
			printf(" -> %d", pvm_upkstr(out));
			printf(" '%s'\n", out);
		}
	double two[2] = { 1, 2 };

	for (int enc = PvmDataDefault; enc <= PvmDataRaw; enc++) {
		int buf = pvm_initsend(enc);

		pvm_pkdouble(two, 2, 1);
		pvm_pkstr("hello");
		pvm_pkbyte("xyz", 3, 1);
		printf("%s two doubles, hello, three bytes: %d\n", encodings[enc], buf_len(buf));
	}
}

/* Types are not looked at: bytes are bytes. */
static void mixtures(void)
{
	int i[2] = { 1, 2 }, j = 0;
	short s[2] = { 0, 0 };
	double d = 0;
	char c[16] = "";

	head("mixtures");
	pvm_initsend(PvmDataDefault);
	pvm_pkint(i, 2, 1);
	turn_around(1);
	SHOW(pvm_upkshort(s, 2, 1));
	printf("  %d %d\n", s[0], s[1]);
	SHOW(pvm_upkint(&j, 1, 1));

	pvm_initsend(PvmDataRaw);
	pvm_pkint(i, 2, 1);
	turn_around(1);
	SHOW(pvm_upkint(&j, 1, 1));
	SHOW(pvm_upkdouble(&d, 1, 1));
	SHOW(pvm_upkbyte(c, 4, 1));
	SHOW(pvm_upkbyte(c, 1, 1));

	pvm_initsend(PvmDataRaw);
	pvm_pkint(i, 2, 1);
	turn_around(1);
	SHOW(pvm_upkint(i, 3, 1));
	SHOW(pvm_upkint(i, 1, 1));

	pvm_initsend(PvmDataDefault);
	pvm_pkbyte("abc", 3, 1);
	turn_around(1);
	SHOW(pvm_upkbyte(c, 1, 1));
	SHOW(pvm_upkbyte(c, 3, 1));

	i[0] = 1000000;
	pvm_initsend(PvmDataDefault);
	pvm_pkint(i, 1, 1);
	turn_around(1);
	SHOW(pvm_upkstr(c));
	pvm_initsend(PvmDataRaw);
	turn_around(1);
	SHOW(pvm_upkstr(c));
	SHOW(pvm_upkint(&j, 0, 1));
}

static void in_place(void)
{
	int a[8] = { 1, 2, 3, 4, 5, 6, 7, 8 }, b[8] = { 0 };
	int buf;

	head("in place");
	buf = SHOW_BUF(pvm_initsend(PvmDataInPlace));
	SHOW(pvm_pkint(a, 4, 2));
	SHOW(pvm_pkint(a, 4, 1));
	SHOW(buf_len(buf));
	SHOW(pvm_pkstr("text"));
	SHOW(pvm_pkbyte("abc", 3, 1));
	SHOW(buf_len(buf));
	a[1] = 22; /* looked at when it is sent */
	turn_around(1);
	a[2] = 33; /* too late */
	show_info(pvm_getrbuf());
	SHOW(pvm_upkint(b, 4, 1));
	printf("  %d %d %d %d\n", b[0], b[1], b[2], b[3]);
	SHOW(pvm_upkint(b, 2, 2));
	a[0] = 77; /* the buffer is still there, and sent again it has what is there now */
	SHOW(pvm_getsbuf() == buf);
	turn_around(1);
	SHOW(pvm_upkint(b, 4, 1));
	printf("  %d %d %d %d\n", b[0], b[1], b[2], b[3]);
}

static void again(void)
{
	int one = 1, two = 2, out[3] = { 0 }, buf, next;

	head("sent again");
	buf = pvm_initsend(PvmDataDefault);
	pvm_pkint(&one, 1, 1);
	pvm_send(me, 1);
	SHOW(pvm_getsbuf() == buf);
	pvm_pkint(&two, 1, 1);
	pvm_send(me, 2);
	show_info(buf);
	SHOW_BUF(pvm_recv(-1, 1));
	show_info(pvm_getrbuf());
	SHOW_BUF(pvm_recv(-1, 2));
	show_info(pvm_getrbuf());
	SHOW(pvm_upkint(out, 2, 1));
	printf("  %d %d\n", out[0], out[1]);
	next = pvm_initsend(PvmDataDefault);
	SHOW(next != buf);
	SHOW(pvm_bufinfo(buf, NULL, NULL, NULL));
	SHOW(pvm_setrbuf(0) > 0);
	SHOW(pvm_upkint(out, 1, 1));
}

static void many_buffers(void)
{
	int a, b, v = 5, w = 0, r1, r2;

	head("buffers");
	a = SHOW_BUF(pvm_mkbuf(PvmDataDefault));
	b = SHOW_BUF(pvm_mkbuf(PvmDataRaw));
	SHOW_BUF(pvm_mkbuf(PvmDataInPlace));
	SHOW(pvm_mkbuf(17));
	SHOW(pvm_mkbuf(-1));
	SHOW(pvm_initsend(17));
	SHOW(pvm_getsbuf() > 0);
	SHOW(pvm_setsbuf(a) >= 0);
	SHOW(pvm_getsbuf() == a);
	SHOW(pvm_pkint(&v, 1, 1));
	SHOW(pvm_setsbuf(b) == a);
	SHOW(pvm_pkint(&v, 1, 1));
	SHOW(pvm_setsbuf(9999));
	SHOW(pvm_setsbuf(-1));
	SHOW(pvm_setsbuf(0) == b);
	SHOW(pvm_pkint(&v, 1, 1));
	SHOW(pvm_send(me, 1));
	SHOW(buf_len(a));
	SHOW(pvm_freebuf(a));
	SHOW(pvm_freebuf(a));
	SHOW(pvm_freebuf(0));
	SHOW(pvm_freebuf(-3));
	SHOW(pvm_freebuf(9999));
	pvm_setsbuf(b);
	SHOW(pvm_freebuf(b));
	SHOW(pvm_getsbuf());
	SHOW(pvm_pkint(&v, 1, 1));

	pvm_initsend(0);
	pvm_pkint(&v, 1, 1);
	pvm_send(me, 1);
	pvm_send(me, 2);
	r1 = pvm_recv(me, 1);
	SHOW(pvm_setrbuf(0) == r1); /* saved from the next recv */
	r2 = pvm_recv(me, 2);
	SHOW(r1 != r2);
	SHOW(pvm_setrbuf(r1) == r2);
	SHOW(pvm_upkint(&w, 1, 1));
	SHOW(pvm_setrbuf(r2) == r1);
	SHOW(pvm_upkint(&w, 1, 1));
	SHOW(pvm_freebuf(r1));
	SHOW(pvm_freebuf(r2));
	SHOW(pvm_getrbuf());
	SHOW(pvm_upkint(&w, 1, 1));
	SHOW(pvm_setrbuf(9999));
	SHOW(pvm_setrbuf(-1));
	/* What is received replaces what was received before. */
	pvm_send(me, 1);
	pvm_send(me, 2);
	pvm_recv(me, 1);
	r2 = pvm_recv(me, 2);
	SHOW(pvm_getrbuf() == r2);
	/* A received buffer as the one to send. */
	SHOW(pvm_setsbuf(r2) >= 0);
	SHOW(pvm_send(me, 3));
	SHOW(pvm_recv(me, 3) > 0);
	w = 0;
	SHOW(pvm_upkint(&w, 1, 1));
	SHOW(w);
}

static void bufinfo(void)
{
	int v = 1, buf, len, tag, tid;

	head("bufinfo");
	buf = pvm_initsend(0);
	SHOW(pvm_bufinfo(buf, &len, &tag, &tid));
	printf("  %d %d %s\n", len, tag, tid_name(tid));
	pvm_pkint(&v, 1, 1);
	pvm_send(me, 44);
	SHOW(pvm_bufinfo(buf, &len, &tag, &tid));
	printf("  %d %d %s\n", len, tag, tid_name(tid));
	buf = pvm_recv(-1, -1);
	show_info(buf);
	SHOW(pvm_bufinfo(0, &len, &tag, &tid));
	SHOW(pvm_bufinfo(-1, &len, &tag, &tid));
	SHOW(pvm_bufinfo(9999, &len, &tag, &tid));
	SHOW(pvm_bufinfo(buf, NULL, NULL, NULL));
}

static void show_minfo(int buf)
{
	struct pvmminfo m;

	memset(&m, 0, sizeof(m));
	printf("getminfo -> %d:", pvm_getminfo(buf, &m));
	printf(" len %d ctx %d tag %d wid %d enc %x crc %d src %s dst %s\n", m.len, m.ctx, m.tag,
	       m.wid, (unsigned)m.enc, m.crc, tid_name(m.src), tid_name(m.dst));
}

static void minfo(void)
{
	struct pvmminfo m;
	int v = 1, buf;

	head("minfo");
	for (int enc = 0; enc < 3; enc++) {
		buf = pvm_initsend(enc);
		pvm_pkint(&v, 1, 1);
		show_minfo(buf);
		turn_around(8);
		show_minfo(buf);
		show_minfo(pvm_getrbuf());
	}
	pvm_getminfo(buf, &m);
	m.tag = 12, m.ctx = 3, m.wid = 4, m.src = 5, m.dst = 6, m.enc = 1, m.crc = 9, m.len = 100;
	SHOW(pvm_setminfo(buf, &m));
	show_minfo(buf);
	SHOW(pvm_setminfo(0, &m));
	SHOW(pvm_setminfo(9999, &m));
	SHOW(pvm_getminfo(0, &m));
	SHOW(pvm_getminfo(9999, &m));
}

static void formats(void)
{
	short h[2] = { 3, 4 };
	long l = 5;
	double d[2] = { 1.5, 2.5 };
	float f[2] = { 0.5F, 1.5F };
	unsigned u = 7;
	int i[3] = { 1, 2, 3 }, buf, oi[3] = { 0 };
	short oh[2] = { 0 };
	long ol = 0;
	double od[2] = { 0 };
	float of = 0;
	unsigned ou = 0;
	char os[16] = "", oc[4] = "";

	head("formats");
	buf = pvm_initsend(0);
	SHOW(pvm_packf("%d %s", 5, "five"));
	SHOW(buf_len(buf));
	SHOW(pvm_packf("%3d%2hd%ld%2lf%f%ud%2c", i, h, l, d, f[0], u, "xy"));
	SHOW(buf_len(buf));
	turn_around(1);
	SHOW(pvm_unpackf("%d %s", oi, os));
	printf("  %d %s\n", oi[0], os);
	SHOW(pvm_unpackf("%3d%2hd%ld%2lf%f%ud%2c", oi, oh, &ol, od, &of, &ou, oc));
	printf("  %d %d %d, %d %d, %ld, %g %g, %g, %u, %s\n", oi[0], oi[1], oi[2], oh[0], oh[1], ol,
	       od[0], od[1], of, ou, oc);
	SHOW(pvm_unpackf("%d", oi));
	buf = pvm_initsend(0);
	SHOW(pvm_packf("%*d", 2, i));
	SHOW(buf_len(buf));
	SHOW(pvm_packf("%*.*d", 2, 2, i));
	SHOW(buf_len(buf));
	SHOW(pvm_packf("%2.2d", i));
	SHOW(buf_len(buf));
	SHOW(pvm_packf("%q", 1));
	SHOW(pvm_packf("%"));
	SHOW(pvm_packf("no conversion"));
	SHOW(pvm_packf(""));
	SHOW(buf_len(buf));
	SHOW(pvm_packf("%+ %d", PvmDataRaw, 4));
	SHOW(pvm_getsbuf() != buf);
	SHOW(buf_len(pvm_getsbuf()));
	SHOW(pvm_packf("%1x", f));
	SHOW(buf_len(pvm_getsbuf()));
	SHOW(pvm_packf("%1lx", d));
	SHOW(buf_len(pvm_getsbuf()));
	SHOW(pvm_packf("%u", 3));
	SHOW(pvm_packf("%lu", 3L));
	SHOW(pvm_packf("%uhd", 3));
	SHOW(pvm_packf("%uld", 3L));
	SHOW(pvm_packf("%hd", 3));
	SHOW(pvm_packf("%c", 'x'));
	SHOW(buf_len(pvm_getsbuf()));
}

static void messages(void)
{
	int v = 11, w = 0, inner, outer;

	head("messages in messages");
	inner = pvm_mkbuf(PvmDataDefault);
	pvm_setsbuf(inner);
	pvm_pkint(&v, 1, 1);
	pvm_pkstr("inner");
	outer = pvm_mkbuf(PvmDataDefault);
	pvm_setsbuf(outer);
	SHOW(pvm_pkint(&v, 1, 1));
	SHOW(pvm_pkmesg(inner));
	SHOW(buf_len(outer));
	SHOW(pvm_pkmesg(9999));
	SHOW(pvm_pkmesg(0));
	SHOW(pvm_pkmesgbody(inner));
	SHOW(buf_len(outer));
	SHOW(pvm_pkmesgbody(9999));
	turn_around(3);
	SHOW(pvm_upkint(&w, 1, 1));
	int got = SHOW_BUF(pvm_upkmesg());
	show_info(got);
	int saved = pvm_setrbuf(got);
	char text[16] = "";

	SHOW(pvm_upkint(&w, 1, 1));
	SHOW(pvm_upkstr(text));
	SHOW_STR(text);
	SHOW(pvm_setrbuf(saved) == got);
	SHOW(pvm_upkint(&w, 1, 1));
	SHOW(pvm_upkstr(text));
	SHOW(pvm_upkmesg());
}

static void bad(void)
{
	int v[4] = { 0 };

	head("bad arguments");
	pvm_initsend(0);
	SHOW(pvm_pkint(v, -1, 1));
	SHOW(pvm_pkint(v, 0, 1));
	SHOW(pvm_pkint(v, 2, 0));
	SHOW(pvm_pkint(v + 3, 2, -1));
	SHOW(pvm_pkstr("x"));
	turn_around(1);
	SHOW(pvm_upkint(v, -1, 1));
	SHOW(pvm_upkint(v, 2, 1));
	SHOW(pvm_upkint(v, 2, 1));
	pvm_initsend(1);
	SHOW(pvm_pkint(v, -1, 1));
	SHOW(pvm_pkint(v, 2, 0));
	pvm_initsend(2);
	SHOW(pvm_pkint(v, -1, 1));
	SHOW(pvm_pkint(v, 2, 0));
	pvm_setsbuf(0);
	SHOW(pvm_pkbyte("x", 1, 1));
	SHOW(pvm_pkstr("x"));
	SHOW(pvm_packf("%d", 1));
	pvm_setrbuf(0);
	SHOW(pvm_upkbyte((char *)v, 1, 1));
	SHOW(pvm_upkstr((char *)v));
	SHOW(pvm_unpackf("%d", v));
	SHOW(pvm_upkmesg());
}

int main(int argc, char **argv)
{
	start(argc, argv, 20);
	pvm_setopt(PvmAutoErr, 0);
	me = pvm_mytid();
	name_tid(me, "me");
	types();
	strings();
	mixtures();
	in_place();
	again();
	many_buffers();
	bufinfo();
	minfo();
	formats();
	messages();
	bad();
	SHOW(pvm_exit());
	return 0;
}
