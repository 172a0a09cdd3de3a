/* SPDX-License-Identifier: BSD-3-Clause */
/* Framed streams over a socket pair, against a raw end that tears, lies and hangs up. */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "dvm/error.h"
#include "libdvm/base/buf.h"
#include "libdvm/base/clock.h"
#include "libdvm/proto/msgtype.h"
#include "libdvm/proto/pb.h"
#include "libdvm/proto/stream.h"
#include "tests/unit/cm.h"

#define PATIENCE (10 * DVMI_SEC)
#define HEADER	 (4 + DVMI_ENVELOPE_BYTES)

struct end {
	uv_loop_t loop;
	struct dvmi_stream *s;
	int raw; /* the other end of the pair */
	unsigned messages, drained, closed;
	int code;
	struct dvmi_envelope env;
	struct dvmi_buf body; /* of the last message */
	bool destroy_in_message, destroy_in_closed;
};

static void on_message(struct dvmi_stream *s, const struct dvmi_envelope *env, const uint8_t *body,
		       size_t len, void *arg)
{
	struct end *e = arg;

	assert_int_equal(e->closed, 0);
	e->messages++;
	e->env = *env;
	dvmi_buf_free(&e->body);
	dvmi_buf_put(&e->body, body, len);
	if (e->destroy_in_message) {
		dvmi_stream_destroy(s);
		e->s = NULL;
	}
}

static void on_closed(struct dvmi_stream *s, int code, void *arg)
{
	struct end *e = arg;

	e->closed++;
	e->code = code;
	if (e->destroy_in_closed) {
		dvmi_stream_destroy(s);
		e->s = NULL;
	}
}

static void on_drained(struct dvmi_stream *s, void *arg)
{
	((struct end *)arg)->drained++;
}

static const struct dvmi_stream_ops ops = { on_message, on_closed, on_drained };

static int set_up(void **state)
{
	struct end *e = calloc(1, sizeof *e);
	int fd[2];

	signal(SIGPIPE, SIG_IGN);
	if (!e || uv_loop_init(&e->loop) < 0 || socketpair(AF_UNIX, SOCK_STREAM, 0, fd) < 0)
		return -1;
	fcntl(fd[1], F_SETFL, O_NONBLOCK);
	e->raw = fd[1];
	*state = e;
	return dvmi_stream_open(&e->s, &e->loop, fd[0], &ops, e);
}

static int tear_down(void **state)
{
	struct end *e = *state;

	dvmi_stream_destroy(e->s);
	uv_run(&e->loop, UV_RUN_DEFAULT);
	int rc = uv_loop_close(&e->loop);
	if (e->raw >= 0)
		close(e->raw);
	dvmi_buf_free(&e->body);
	free(e);
	return rc;
}

static void turn(struct end *e)
{
	uv_run(&e->loop, UV_RUN_NOWAIT);
}

static void turn_until_closed(struct end *e)
{
	uint64_t end = dvmi_clock_mono() + PATIENCE;

	while (!e->closed && dvmi_clock_mono() < end)
		turn(e);
	assert_int_equal(e->closed, 1);
}

static void put_frame(struct dvmi_buf *b, uint32_t request, const void *body, uint32_t len)
{
	struct dvmi_envelope env = {
		.version = 1, .highest = 1, .type = 0x200, .request = request
	};

	dvmi_buf_put_u32(b, len);
	dvmi_envelope_encode(&env, dvmi_buf_extend(b, DVMI_ENVELOPE_BYTES));
	dvmi_buf_put(b, body, len);
}

static void raw_write(struct end *e, const void *p, size_t n)
{
	assert_int_equal(write(e->raw, p, n), (ssize_t)n);
}

static void torn_byte_by_byte(void **state)
{
	struct end *e = *state;
	struct dvmi_buf b = { 0 };

	put_frame(&b, 1, "hello", 5);
	put_frame(&b, 2, "", 0);
	put_frame(&b, 3, "world!", 6);
	for (size_t i = 0; i < b.len; i++) {
		raw_write(e, b.data + i, 1);
		turn(e);
		unsigned want = i + 1 >= b.len		  ? 3
				: i + 1 >= 2 * HEADER + 5 ? 2
							  : i + 1 >= HEADER + 5;
		assert_int_equal(e->messages, want);
	}
	assert_int_equal(e->env.request, 3);
	assert_int_equal(e->body.len, 6);
	assert_memory_equal(e->body.data, "world!", 6);
	dvmi_buf_free(&b);
}

static void many_in_one_piece(void **state)
{
	struct end *e = *state;
	struct dvmi_buf b = { 0 };

	for (uint32_t i = 1; i <= 1000; i++)
		put_frame(&b, i, "0123456789", i % 11);
	raw_write(e, b.data, b.len);
	for (int i = 0; i < 100 && e->messages < 1000; i++)
		turn(e);
	assert_int_equal(e->messages, 1000);
	assert_int_equal(e->env.request, 1000);
	dvmi_buf_free(&b);
}

/* Writes all of B and turns the loop in between, as the socket's buffer allows. */
static void raw_write_all(struct end *e, const uint8_t *p, size_t n)
{
	while (n) {
		ssize_t w = write(e->raw, p, n);
		if (w > 0) {
			p += w;
			n -= (size_t)w;
		} else {
			assert_int_equal(errno, EAGAIN);
		}
		turn(e);
	}
}

static void the_largest_body_passes_and_no_more(void **state)
{
	struct end *e = *state;
	struct dvmi_buf b = { 0 };
	uint8_t *body = malloc(DVMI_BODY_MAX);

	memset(body, 'x', DVMI_BODY_MAX);
	put_frame(&b, 1, body, DVMI_BODY_MAX);
	raw_write_all(e, b.data, b.len);
	for (int i = 0; i < 10000 && !e->messages; i++)
		turn(e);
	assert_int_equal(e->messages, 1);
	assert_int_equal(e->body.len, DVMI_BODY_MAX);
	assert_memory_equal(e->body.data, body, DVMI_BODY_MAX);

	/* The header alone condemns it: nobody waits for the body. */
	b.len = 0;
	put_frame(&b, 2, NULL, 0);
	uint32_t len = DVMI_BODY_MAX + 1;
	memcpy(b.data, &len, 4);
	raw_write(e, b.data, b.len);
	turn_until_closed(e);
	assert_int_equal(e->code, -DVM_EPROTO);
	assert_int_equal(dvmi_stream_send(e->s, e->env, body, DVMI_BODY_MAX + 1), -EPIPE);
	free(body);
	dvmi_buf_free(&b);
}

static void a_wrong_magic_ends_it(void **state)
{
	struct end *e = *state;
	struct dvmi_buf b = { 0 };

	put_frame(&b, 1, "ok", 2);
	put_frame(&b, 2, "bad", 3);
	put_frame(&b, 3, "never", 5);
	b.data[HEADER + 2 + 4] ^= 1;
	raw_write(e, b.data, b.len);
	turn_until_closed(e);
	assert_int_equal(e->code, -DVM_EPROTO);
	assert_int_equal(e->messages, 1);
	raw_write(e, b.data, HEADER + 2);
	for (int i = 0; i < 10; i++)
		turn(e);
	assert_int_equal(e->messages, 1);
	assert_int_equal(e->closed, 1);
	dvmi_buf_free(&b);
}

static void another_version_is_told_ours(void **state)
{
	struct end *e = *state;
	struct dvmi_envelope env;
	struct dvmi_buf b = { 0 };
	uint8_t in[64];

	put_frame(&b, 1, "future", 6);
	b.data[4 + 4] = 9;
	raw_write(e, b.data, b.len);
	turn_until_closed(e);
	assert_int_equal(e->code, -DVM_EVERSION);
	assert_int_equal(e->messages, 0);
	assert_int_equal(read(e->raw, in, sizeof in), HEADER);
	assert_int_equal(dvmi_envelope_decode(in + 4, DVMI_ENVELOPE_BYTES, &env), 0);
	assert_int_equal(env.type, DVMI_MSG_VERSION);
	assert_int_equal(env.version, DVMI_ENVELOPE_VERSION);
	dvmi_buf_free(&b);
}

static void being_told_a_version_ends_it(void **state)
{
	struct end *e = *state;
	struct dvmi_envelope env = { .version = 1, .highest = 1, .type = DVMI_MSG_VERSION };
	struct dvmi_buf b = { 0 };

	dvmi_buf_put_u32(&b, 0);
	dvmi_envelope_encode(&env, dvmi_buf_extend(&b, DVMI_ENVELOPE_BYTES));
	raw_write(e, b.data, b.len);
	turn_until_closed(e);
	assert_int_equal(e->code, -DVM_EVERSION);
	dvmi_buf_free(&b);
}

static void the_peer_closes(void **state)
{
	struct end *e = *state;
	struct dvmi_buf b = { 0 };

	put_frame(&b, 1, "last", 4);
	raw_write(e, b.data, b.len);
	raw_write(e, b.data, b.len / 2); /* and half a frame that will never be whole */
	close(e->raw);
	e->raw = -1;
	turn_until_closed(e);
	assert_int_equal(e->code, 0);
	assert_int_equal(e->messages, 1);
	assert_int_equal(dvmi_stream_send(e->s, e->env, "x", 1), -EPIPE);
	dvmi_buf_free(&b);
}

static void destroyed_inside_message(void **state)
{
	struct end *e = *state;
	struct dvmi_buf b = { 0 };

	for (uint32_t i = 1; i <= 3; i++)
		put_frame(&b, i, "x", 1);
	e->destroy_in_message = true;
	raw_write(e, b.data, b.len);
	for (int i = 0; i < 10; i++)
		turn(e);
	assert_int_equal(e->messages, 1);
	assert_int_equal(e->closed, 0);
	dvmi_buf_free(&b);
}

static void destroyed_inside_closed(void **state)
{
	struct end *e = *state;

	e->destroy_in_closed = true;
	raw_write(e, "this is not a frame, but it is long enough", 42);
	turn_until_closed(e);
	assert_int_equal(e->code, -DVM_EPROTO);
	for (int i = 0; i < 10; i++)
		turn(e);
	assert_int_equal(e->closed, 1);
}

static void destroyed_with_much_to_write(void **state)
{
	struct end *e = *state;
	struct dvmi_envelope env = { .type = 1 };
	static uint8_t body[1 << 20];

	for (int i = 0; i < 8; i++)
		assert_int_equal(dvmi_stream_send(e->s, env, body, sizeof body), 0);
	turn(e);
	assert_true(dvmi_stream_queued(e->s) > 0);
	dvmi_stream_destroy(e->s);
	e->s = NULL;
	for (int i = 0; i < 10; i++)
		turn(e);
	assert_int_equal(e->closed, 0);
	assert_int_equal(e->drained, 0);
}

/* Reads what there is; counts it. */
static size_t raw_drain(struct end *e)
{
	static uint8_t junk[256 << 10];
	ssize_t n;
	size_t all = 0;

	while ((n = read(e->raw, junk, sizeof junk)) > 0)
		all += (size_t)n;
	return all;
}

static void drained_after_everything_was_written(void **state)
{
	struct end *e = *state;
	struct dvmi_envelope env = { .type = 1, .request = 5 };
	static uint8_t body[1 << 20];
	size_t got = 0, want = 4 * (sizeof body + HEADER);

	for (int i = 0; i < 4; i++)
		assert_int_equal(dvmi_stream_send(e->s, env, body, sizeof body), 0);
	assert_int_equal(dvmi_stream_queued(e->s), want);
	for (int i = 0; i < 100000 && !e->drained; i++) {
		got += raw_drain(e);
		turn(e);
	}
	got += raw_drain(e);
	assert_int_equal(e->drained, 1);
	assert_int_equal(got, want);
	assert_int_equal(dvmi_stream_queued(e->s), 0);
	assert_int_equal(dvmi_stream_send(e->s, env, body, (size_t)DVMI_BODY_MAX + 1), -EMSGSIZE);
}

static void shutdown_writes_first(void **state)
{
	struct end *e = *state;
	struct dvmi_envelope env = { .type = 1 };
	static uint8_t body[1 << 20];
	size_t got = 0;

	for (int i = 0; i < 4; i++)
		assert_int_equal(dvmi_stream_send(e->s, env, body, sizeof body), 0);
	dvmi_stream_shutdown(e->s);
	assert_int_equal(e->closed, 0);
	for (int i = 0; i < 100000 && !e->closed; i++) {
		got += raw_drain(e);
		turn(e);
	}
	got += raw_drain(e);
	assert_int_equal(e->closed, 1);
	assert_int_equal(e->code, 0);
	assert_int_equal(got, 4 * (sizeof body + HEADER));
}

static void a_reader_that_goes_is_noticed(void **state)
{
	struct end *e = *state;
	struct dvmi_envelope env = { .type = 1 };
	static uint8_t body[1 << 20];

	assert_int_equal(dvmi_stream_send(e->s, env, body, sizeof body), 0);
	close(e->raw);
	e->raw = -1;
	turn_until_closed(e);
}

static void paused_and_resumed(void **state)
{
	struct end *e = *state;
	struct dvmi_buf b = { 0 };

	put_frame(&b, 1, "x", 1);
	dvmi_stream_pause(e->s);
	raw_write(e, b.data, b.len);
	for (int i = 0; i < 10; i++)
		turn(e);
	assert_int_equal(e->messages, 0);
	dvmi_stream_resume(e->s);
	for (int i = 0; i < 10; i++)
		turn(e);
	assert_int_equal(e->messages, 1);
	dvmi_buf_free(&b);
}

static void credentials_are_the_kernels(void **state)
{
	struct end *e = *state;
	struct dvmi_peercred cred;

	assert_int_equal(dvmi_stream_peercred(e->s, &cred), 0);
	assert_int_equal(cred.uid, geteuid());
	assert_int_equal(cred.pid, getpid());
}

static void messages_of_protobuf(void **state)
{
	struct end *e = *state;
	struct dvmi_envelope env = { .type = DVMI_MSG_ERROR,
				     .request = 3,
				     .flags = DVMI_FLAG_REPLY };
	Pb__Error msg = PB__ERROR__INIT, *back = NULL;
	uint8_t in[256];

	msg.code = -2;
	msg.text = (char *)"no such thing";
	assert_int_equal(dvmi_stream_send_pb(e->s, env, &msg), 0);
	turn(e);
	ssize_t n = read(e->raw, in, sizeof in);
	assert_true(n > (ssize_t)HEADER);
	assert_int_equal(
		dvmi_pb_unpack(&pb__error__descriptor, in + HEADER, (size_t)n - HEADER, &back), 0);
	assert_int_equal(back->code, -2);
	assert_string_equal(back->text, "no such thing");
	dvmi_pb_free(back);
}

static void what_is_no_socket_is_refused(void **state)
{
	struct end *e = *state;
	struct dvmi_stream *s = NULL;
	int fd = open("/dev/null", O_RDWR | O_CLOEXEC);

	assert_true(dvmi_stream_open(&s, &e->loop, fd, &ops, e) < 0);
	assert_null(s);
	assert_int_equal(fcntl(fd, F_GETFD), -1); /* closed all the same */
}

#define T(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(torn_byte_by_byte),
		T(many_in_one_piece),
		T(the_largest_body_passes_and_no_more),
		T(a_wrong_magic_ends_it),
		T(another_version_is_told_ours),
		T(being_told_a_version_ends_it),
		T(the_peer_closes),
		T(destroyed_inside_message),
		T(destroyed_inside_closed),
		T(destroyed_with_much_to_write),
		T(drained_after_everything_was_written),
		T(shutdown_writes_first),
		T(a_reader_that_goes_is_noticed),
		T(paused_and_resumed),
		T(credentials_are_the_kernels),
		T(messages_of_protobuf),
		T(what_is_no_socket_is_refused),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
