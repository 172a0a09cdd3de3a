/* SPDX-License-Identifier: BSD-3-Clause */
/* The input as what a client writes to a local socket, in two pieces. */
#include <stdbool.h>
#include <sys/socket.h>
#include <unistd.h>

#include "libdvm/proto/stream.h"
#include "tests/fuzz/fuzz.h"

struct seen {
	size_t bytes;
	bool closed;
};

static void on_message(struct dvmi_stream *s, const struct dvmi_envelope *env, const uint8_t *body,
		       size_t len, void *arg)
{
	struct seen *seen = arg;

	FUZZ_CHECK(!seen->closed);
	FUZZ_CHECK(len <= DVMI_BODY_MAX);
	seen->bytes += 4 + DVMI_ENVELOPE_BYTES + len;
	for (size_t i = 0; i < len; i++) /* a sanitizer looks at each of them */
		*(volatile const uint8_t *)&body[i];
}

static void on_closed(struct dvmi_stream *s, int code, void *arg)
{
	struct seen *seen = arg;

	FUZZ_CHECK(!seen->closed);
	seen->closed = true;
}

static const struct dvmi_stream_ops ops = { .message = on_message, .closed = on_closed };

static void feed(uv_loop_t *loop, int fd, const uint8_t *data, size_t size)
{
	if (size)
		send(fd, data, size, MSG_NOSIGNAL | MSG_DONTWAIT);
	uv_run(loop, UV_RUN_NOWAIT);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct seen seen = { 0 };
	struct dvmi_stream *s;
	uv_loop_t loop;
	int fd[2];

	FUZZ_CHECK(uv_loop_init(&loop) == 0);
	FUZZ_CHECK(socketpair(AF_UNIX, SOCK_STREAM, 0, fd) == 0);
	FUZZ_CHECK(dvmi_stream_open(&s, &loop, fd[0], &ops, &seen) == 0);
	size_t first = size ? data[size - 1] % (size + 1) : 0;
	feed(&loop, fd[1], data, first);
	feed(&loop, fd[1], data + first, size - first);
	close(fd[1]);
	for (int i = 0; i < 10 && !seen.closed; i++)
		uv_run(&loop, UV_RUN_NOWAIT);
	FUZZ_CHECK(seen.closed);
	FUZZ_CHECK(seen.bytes <= size);
	dvmi_stream_destroy(s);
	uv_run(&loop, UV_RUN_DEFAULT);
	FUZZ_CHECK(uv_loop_close(&loop) == 0);
	return 0;
}
