/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A dvmd that follows a script, to test what the command line does with whatever a dvmd may say.
 *
 *	fake_dvmd SOCKET < SCRIPT
 *
 * It listens at SOCKET, then carries out the script line by line; words are separated by blanks,
 * "\n", "\s" (a blank) and "\\" stand for themselves in values.
 *
 *	accept			takes the next connection
 *	expect TYPE [F=V]…	the next message must be of TYPE with these fields
 *	until TYPE [F=V]…	the same, but others may come before it
 *	reply TYPE [F=V]…	answers the last expected message
 *	more TYPE [F=V]…	the same, with further answers to follow
 *	send TYPE [F=V]…	a message of its own
 *	repeat N TYPE [F=V]…	N of them, "@" in a value being 1 … N
 *	raw HEX			bytes as they are
 *	close			closes the connection
 *	eof			the client must close it
 *	mark FILE		creates FILE, for the test around to see
 *	wait FILE		waits for FILE
 *
 * Fields are paths into the message: spec.argv.0=hello, chunks.1.rank=3. Exit 0 when the whole
 * script was met, 1 with a line on stderr otherwise. Every wait ends after 20 s.
 */
#include <ctype.h>
#include <errno.h>
#include <inttypes.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "libdvm/proto/envelope.h"
#include "libdvm/proto/msgtype.h"
#include "libdvm/proto/pb.h"

#define WAIT_MS	  20000
#define WORDS_MAX 64

static const struct {
	const char *name;
	uint16_t type;
	const ProtobufCMessageDescriptor *request, *reply; /* NULL: no body */
} types[] = {
	{ "OK", DVMI_MSG_OK, NULL, NULL },
	{ "ERROR", DVMI_MSG_ERROR, NULL, &pb__error__descriptor },
	{ "RUN", DVMI_MSG_RUN, &pb__run_request__descriptor, &pb__run_reply__descriptor },
	{ "ATTACH", DVMI_MSG_ATTACH, &pb__attach_request__descriptor, &pb__run_reply__descriptor },
	{ "TURN", DVMI_MSG_TURN, &pb__turn_request__descriptor, &pb__turn_reply__descriptor },
	{ "SIGNAL", DVMI_MSG_SIGNAL, &pb__job_signal__descriptor, NULL },
	{ "STDIN", DVMI_MSG_STDIN, &pb__stdin__descriptor, NULL },
	{ "STDIN_ACK", DVMI_MSG_STDIN_ACK, NULL, &pb__stdin_ack__descriptor },
	{ "OUTPUT", DVMI_MSG_OUTPUT, NULL, &pb__output__descriptor },
	{ "OUTPUT_ACK", DVMI_MSG_OUTPUT_ACK, &pb__output_ack__descriptor, NULL },
	{ "JOB_EVENT", DVMI_MSG_JOB_EVENT, NULL, &pb__job_event__descriptor },
	{ "NODES", DVMI_MSG_NODES, NULL, &pb__nodes_reply__descriptor },
	{ "JOBS", DVMI_MSG_JOBS, &pb__jobs_request__descriptor, &pb__jobs_reply__descriptor },
	{ "PS", DVMI_MSG_PS, &pb__job_ref__descriptor, &pb__ps_reply__descriptor },
	{ "LOGS", DVMI_MSG_LOGS, &pb__logs_request__descriptor, &pb__output__descriptor },
	{ "TOKEN", DVMI_MSG_TOKEN, &pb__token_request__descriptor, &pb__token_reply__descriptor },
	{ "REMOVE", DVMI_MSG_REMOVE, &pb__node_ref__descriptor, NULL },
	{ "HALT", DVMI_MSG_HALT, &pb__halt_request__descriptor, NULL },
	{ "DOCTOR", DVMI_MSG_DOCTOR, NULL, &pb__doctor_reply__descriptor },
	{ "LOG", DVMI_MSG_LOG, &pb__log_request__descriptor, &pb__log_reply__descriptor },
	{ "INFO", DVMI_MSG_INFO, NULL, &pb__info_reply__descriptor },
	{ "LEAVE", DVMI_MSG_LEAVE, NULL, NULL },
};
#define N_TYPES (sizeof types / sizeof types[0])

struct fake {
	int listener, fd;
	uint32_t request; /* of the last expected message */
	unsigned line;
};

static _Noreturn void fail(const struct fake *f, const char *fmt, ...)
	__attribute__((format(printf, 2, 3)));
static _Noreturn void fail(const struct fake *f, const char *fmt, ...)
{
	va_list ap;

	fprintf(stderr, "fake_dvmd: line %u: ", f->line);
	va_start(ap, fmt);
	vfprintf(stderr, fmt, ap);
	va_end(ap);
	fputc('\n', stderr);
	exit(1);
}

static size_t find_type(const struct fake *f, const char *name)
{
	for (size_t i = 0; i < N_TYPES; i++)
		if (name && !strcmp(types[i].name, name))
			return i;
	fail(f, "no message is called %s", name ? name : "nothing");
}

static const char *name_of(uint16_t type)
{
	for (size_t i = 0; i < N_TYPES; i++)
		if (types[i].type == type)
			return types[i].name;
	return "unknown";
}

/* ---- fields by path ---- */

/* The value as it is meant, in place; returns its length. */
static size_t unescape(char *s)
{
	char *to = s;

	for (const char *p = s; *p; p++) {
		if (*p == '\\' && p[1]) {
			p++;
			*to++ = (char)(*p == 'n'   ? '\n'
				       : *p == 's' ? ' '
				       : *p == '0' ? '\0'
				       : *p == 'x' ? '\xff'
						   : *p);
		} else {
			*to++ = *p;
		}
	}
	*to = '\0';
	return (size_t)(to - s);
}

static const ProtobufCFieldDescriptor *field(const struct fake *f,
					     const ProtobufCMessageDescriptor *d, const char *name)
{
	const ProtobufCFieldDescriptor *fd =
		protobuf_c_message_descriptor_get_field_by_name(d, name);

	if (!fd)
		fail(f, "%s has no field %s", d->name, name);
	return fd;
}

static size_t size_of(const ProtobufCFieldDescriptor *fd)
{
	switch (fd->type) {
	case PROTOBUF_C_TYPE_INT64:
	case PROTOBUF_C_TYPE_SINT64:
	case PROTOBUF_C_TYPE_UINT64:
	case PROTOBUF_C_TYPE_FIXED64:
	case PROTOBUF_C_TYPE_SFIXED64:
		return 8;
	case PROTOBUF_C_TYPE_BYTES:
		return sizeof(ProtobufCBinaryData);
	case PROTOBUF_C_TYPE_STRING:
	case PROTOBUF_C_TYPE_MESSAGE:
		return sizeof(void *);
	default:
		return 4;
	}
}

/* Where element I of a repeated field is; it is made when MAKE is set and it is the next one. */
static void *element(const struct fake *f, void *msg, const ProtobufCFieldDescriptor *fd, size_t i,
		     bool make)
{
	size_t *n = (size_t *)((char *)msg + fd->quantifier_offset), size = size_of(fd);
	char **base = (char **)((char *)msg + fd->offset);

	if (i == *n && make) {
		*base = realloc(*base, (i + 1) * size);
		memset(*base + i * size, 0, size);
		(*n)++;
	}
	if (i >= *n)
		fail(f, "%s has %zu elements, not %zu", fd->name, *n, i + 1);
	return *base + i * size;
}

static void *sub_message(const ProtobufCFieldDescriptor *fd, void *at, bool make)
{
	void **p = at;
	const ProtobufCMessageDescriptor *d = fd->descriptor;

	if (!*p && make) {
		*p = calloc(1, d->sizeof_message);
		d->message_init(*p);
	}
	return *p;
}

/* Follows PATH to a scalar: its field in *fd, NULL for a number of elements, and where it is. */
static void *follow(const struct fake *f, void *msg, char *path, bool make,
		    const ProtobufCFieldDescriptor **fd)
{
	const ProtobufCMessageDescriptor *d = ((ProtobufCMessage *)msg)->descriptor;
	char *save, *word = strtok_r(path, ".", &save);
	void *at = NULL;

	while (word) {
		*fd = field(f, d, word);
		at = (char *)msg + (*fd)->offset;
		word = strtok_r(NULL, ".", &save);
		if ((*fd)->label == PROTOBUF_C_LABEL_REPEATED) {
			if (!word) {
				at = (char *)msg + (*fd)->quantifier_offset;
				*fd = NULL;
				return at;
			}
			at = element(f, msg, *fd, strtoul(word, NULL, 10), make);
			word = strtok_r(NULL, ".", &save);
		}
		if ((*fd)->type != PROTOBUF_C_TYPE_MESSAGE)
			break;
		msg = sub_message(*fd, at, make);
		if (!msg)
			fail(f, "%s is not set", (*fd)->name);
		d = ((ProtobufCMessage *)msg)->descriptor;
	}
	if (!at || word)
		fail(f, "bad path");
	return at;
}

static void set_value(const ProtobufCFieldDescriptor *fd, void *at, char *value)
{
	ProtobufCBinaryData *b = at;
	const ProtobufCEnumValue *e;

	switch (fd->type) {
	case PROTOBUF_C_TYPE_STRING:
		unescape(value);
		*(char **)at = strdup(value);
		break;
	case PROTOBUF_C_TYPE_BYTES:
		b->len = unescape(value);
		b->data = malloc(b->len + 1);
		memcpy(b->data, value, b->len);
		break;
	case PROTOBUF_C_TYPE_ENUM:
		e = protobuf_c_enum_descriptor_get_value_by_name(fd->descriptor, value);
		*(int *)at = e ? e->value : atoi(value);
		break;
	default:
		if (size_of(fd) == 8)
			*(int64_t *)at = (int64_t)strtoull(value, NULL, 0);
		else
			*(int32_t *)at = (int32_t)strtoll(value, NULL, 0);
	}
}

/* The value as text, for comparing. */
static void get_value(const ProtobufCFieldDescriptor *fd, const void *at, char *out, size_t size)
{
	const ProtobufCBinaryData *b = at;
	const ProtobufCEnumValue *e;

	switch (fd->type) {
	case PROTOBUF_C_TYPE_STRING:
		snprintf(out, size, "%s", *(char *const *)at);
		break;
	case PROTOBUF_C_TYPE_BYTES:
		snprintf(out, size, "%.*s", (int)b->len, b->data ? (char *)b->data : "");
		break;
	case PROTOBUF_C_TYPE_ENUM:
		e = protobuf_c_enum_descriptor_get_value(fd->descriptor, *(const int *)at);
		snprintf(out, size, "%s", e ? e->name : "?");
		break;
	case PROTOBUF_C_TYPE_UINT32:
	case PROTOBUF_C_TYPE_BOOL:
		snprintf(out, size, "%" PRIu32, *(const uint32_t *)at);
		break;
	default:
		if (size_of(fd) == 8)
			snprintf(out, size, "%" PRIu64, *(const uint64_t *)at);
		else
			snprintf(out, size, "%" PRId32, *(const int32_t *)at);
	}
}

static void *build(const struct fake *f, const ProtobufCMessageDescriptor *d, char **words,
		   size_t n)
{
	void *msg = calloc(1, d->sizeof_message);

	d->message_init(msg);
	for (size_t i = 0; i < n; i++) {
		const ProtobufCFieldDescriptor *fd;
		char *value = strchr(words[i], '=');

		if (!value)
			fail(f, "%s: expected FIELD=VALUE", words[i]);
		*value++ = '\0';
		void *at = follow(f, msg, words[i], true, &fd);
		if (!fd)
			fail(f, "%s: which element?", words[i]);
		set_value(fd, at, value);
	}
	return msg;
}

/* NULL where all fields of MSG are as WORDS say, else what is not, in BUF. */
static const char *compare(const struct fake *f, void *msg, char **words, size_t n, char *buf,
			   size_t size)
{
	for (size_t i = 0; i < n; i++) {
		char word[1024], path[1024], have[65536 + 1];
		const ProtobufCFieldDescriptor *fd;

		snprintf(word, sizeof word, "%s", words[i]);
		char *value = strchr(word, '=');
		*value++ = '\0';
		snprintf(path, sizeof path, "%s", word);
		void *at = follow(f, msg, path, false, &fd);
		if (!fd)
			snprintf(have, sizeof have, "%zu", *(size_t *)at);
		else
			get_value(fd, at, have, sizeof have);
		unescape(value);
		if (strcmp(have, value) != 0) {
			snprintf(buf, size, "%.200s is \"%.300s\", not \"%.300s\"", word, have,
				 value);
			return buf;
		}
	}
	return NULL;
}

/* ---- the wire ---- */

static void wait_for(const struct fake *f, int fd, const char *what)
{
	struct pollfd p = { .fd = fd, .events = POLLIN };

	if (poll(&p, 1, WAIT_MS) <= 0)
		fail(f, "%s did not come", what);
}

static bool read_all(const struct fake *f, void *p, size_t n, const char *what)
{
	for (size_t got = 0; got < n;) {
		wait_for(f, f->fd, what);
		ssize_t r = read(f->fd, (char *)p + got, n - got);
		if (r <= 0)
			return false;
		got += (size_t)r;
	}
	return true;
}

static void write_all(const struct fake *f, const void *p, size_t n)
{
	for (size_t put = 0; put < n;) {
		ssize_t w = write(f->fd, (const char *)p + put, n - put);
		if (w <= 0)
			fail(f, "writing: %s", strerror(errno));
		put += (size_t)w;
	}
}

static uint8_t *receive(struct fake *f, struct dvmi_envelope *env, size_t *len, const char *what)
{
	uint8_t head[4 + DVMI_ENVELOPE_BYTES], *body;

	if (!read_all(f, head, sizeof head, what))
		fail(f, "the client went away instead of sending %s", what);
	if (dvmi_envelope_decode(head + 4, DVMI_ENVELOPE_BYTES, env) < 0)
		fail(f, "bad envelope");
	*len = (size_t)head[0] | (size_t)head[1] << 8 | (size_t)head[2] << 16 |
	       (size_t)head[3] << 24;
	body = malloc(*len + 1);
	if (!read_all(f, body, *len, what))
		fail(f, "the client went away within a message");
	return body;
}

static void transmit(const struct fake *f, uint16_t type, uint32_t flags, uint32_t request,
		     const void *msg)
{
	struct dvmi_envelope env = { .version = DVMI_ENVELOPE_VERSION,
				     .highest = DVMI_ENVELOPE_VERSION,
				     .type = type,
				     .flags = flags,
				     .request = request };
	struct dvmi_buf b = { 0 };
	uint8_t head[4 + DVMI_ENVELOPE_BYTES];

	if (msg)
		dvmi_pb_pack(&b, msg);
	for (int i = 0; i < 4; i++)
		head[i] = (uint8_t)(b.len >> (8 * i));
	dvmi_envelope_encode(&env, head + 4);
	write_all(f, head, sizeof head);
	write_all(f, b.data, b.len);
	dvmi_buf_free(&b);
}

/* ---- the script ---- */

static void do_send(struct fake *f, char **words, size_t n, uint32_t flags)
{
	size_t t = find_type(f, words[0]);
	void *msg = types[t].reply ? build(f, types[t].reply, words + 1, n - 1) : NULL;

	transmit(f, types[t].type, flags, flags ? f->request : 0, msg);
	dvmi_pb_free(msg);
}

/* "@" → I, in a fresh string. */
static char *substitute(const char *s, unsigned i)
{
	const char *at = strchr(s, '@');
	char *out;

	if (!at)
		return strdup(s);
	if (asprintf(&out, "%.*s%u%s", (int)(at - s), s, i, at + 1) < 0)
		abort();
	return out;
}

static void do_repeat(struct fake *f, char **words, size_t n)
{
	unsigned times = (unsigned)strtoul(words[0], NULL, 10);

	for (unsigned i = 1; i <= times; i++) {
		char *copy[WORDS_MAX];

		for (size_t w = 1; w < n; w++)
			copy[w - 1] = substitute(words[w], i);
		do_send(f, copy, n - 1, 0);
		for (size_t w = 1; w < n; w++)
			free(copy[w - 1]);
	}
}

static bool matches(struct fake *f, size_t t, const struct dvmi_envelope *env, const uint8_t *body,
		    size_t len, char **words, size_t n, char *why, size_t size)
{
	void *msg = NULL;
	bool good;

	if (env->type != types[t].type) {
		snprintf(why, size, "got %s (%#x), not %s", name_of(env->type), env->type,
			 types[t].name);
		return false;
	}
	if (types[t].request && dvmi_pb_unpack(types[t].request, body, len, &msg) < 0)
		fail(f, "%s cannot be decoded", types[t].name);
	good = !msg || !compare(f, msg, words, n, why, size);
	dvmi_pb_free(msg);
	return good;
}

static void do_expect(struct fake *f, char **words, size_t n, bool skip)
{
	size_t t = find_type(f, words[0]), len;
	struct dvmi_envelope env;
	char why[1024] = "";

	for (;;) {
		uint8_t *body = receive(f, &env, &len, types[t].name);
		bool good = matches(f, t, &env, body, len, words + 1, n - 1, why, sizeof why);

		free(body);
		if (good)
			break;
		if (!skip)
			fail(f, "%s", why);
	}
	if (env.request)
		f->request = env.request;
}

static void do_raw(const struct fake *f, const char *hex)
{
	for (; hex[0] && hex[1]; hex += 2) {
		char pair[3] = { hex[0], hex[1], 0 };
		uint8_t byte = (uint8_t)strtoul(pair, NULL, 16);

		write_all(f, &byte, 1);
	}
}

static void do_eof(const struct fake *f)
{
	char drop[4096];
	ssize_t n;

	do {
		wait_for(f, f->fd, "the end of the connection");
		n = read(f->fd, drop, sizeof drop);
	} while (n > 0);
}

static void do_wait(const struct fake *f, const char *path)
{
	for (int i = 0; i < WAIT_MS / 5; i++) {
		if (access(path, F_OK) == 0)
			return;
		usleep(5000);
	}
	fail(f, "%s did not appear", path);
}

static void do_mark(const struct fake *f, const char *path)
{
	FILE *m = fopen(path, "w");

	if (!m)
		fail(f, "%s: %s", path, strerror(errno));
	fclose(m);
}

static void do_accept(struct fake *f)
{
	if (f->fd >= 0)
		close(f->fd);
	wait_for(f, f->listener, "a connection");
	f->fd = accept(f->listener, NULL, NULL);
}

static void do_line(struct fake *f, char **words, size_t n)
{
	const char *verb = words[0];

	words[n] = NULL;
	if (!strcmp(verb, "accept"))
		do_accept(f);
	else if (!strcmp(verb, "close"))
		f->fd = (close(f->fd), -1);
	else if (!strcmp(verb, "expect") || !strcmp(verb, "until"))
		do_expect(f, words + 1, n - 1, *verb == 'u');
	else if (!strcmp(verb, "reply"))
		do_send(f, words + 1, n - 1, DVMI_FLAG_REPLY);
	else if (!strcmp(verb, "more"))
		do_send(f, words + 1, n - 1, DVMI_FLAG_ALL);
	else if (!strcmp(verb, "send"))
		do_send(f, words + 1, n - 1, 0);
	else if (!strcmp(verb, "repeat"))
		do_repeat(f, words + 1, n - 1);
	else if (!strcmp(verb, "eof"))
		do_eof(f);
	else if (n < 2)
		fail(f, "%s?", verb);
	else if (!strcmp(verb, "raw"))
		do_raw(f, words[1]);
	else if (!strcmp(verb, "mark"))
		do_mark(f, words[1]);
	else if (!strcmp(verb, "wait"))
		do_wait(f, words[1]);
	else
		fail(f, "%s?", verb);
}

static int listen_at(const char *path)
{
	struct sockaddr_un sa = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	snprintf(sa.sun_path, sizeof sa.sun_path, "%s", path);
	unlink(path);
	if (fd < 0 || bind(fd, (struct sockaddr *)&sa, sizeof sa) < 0 || listen(fd, 64) < 0)
		return -1;
	return fd;
}

int main(int argc, char **argv)
{
	struct fake f = { .fd = -1 };
	char *line = NULL, *words[WORDS_MAX + 1], *save;
	size_t cap = 0, n;

	signal(SIGPIPE, SIG_IGN);
	if (argc != 2 || (f.listener = listen_at(argv[1])) < 0) {
		fprintf(stderr, "usage: fake_dvmd SOCKET < SCRIPT (%s)\n", strerror(errno));
		return 2;
	}
	while (getline(&line, &cap, stdin) > 0) {
		f.line++;
		n = 0;
		for (char *w = strtok_r(line, " \t\n", &save); w && n < WORDS_MAX;
		     w = strtok_r(NULL, " \t\n", &save))
			words[n++] = w;
		if (n && words[0][0] != '#')
			do_line(&f, words, n);
	}
	free(line);
	return 0;
}
