/* SPDX-License-Identifier: BSD-3-Clause */
/* Frames between the rig's client and the agent: see wire.h. Any thread, no state. */
#include "tests/rig/wire.h"

#include <endian.h>
#include <errno.h>
#include <poll.h>
#include <string.h>
#include <unistd.h>

struct header {
	uint8_t type;
	uint8_t zero[3];
	uint32_t len; /* little-endian */
};

_Static_assert(sizeof(struct header) == RIG_WIRE_HEADER, "the header is part of the protocol");

static int wait_for(int fd, short events)
{
	struct pollfd p = { .fd = fd, .events = events };

	if (poll(&p, 1, -1) < 0 && errno != EINTR)
		return -errno;
	return 0;
}

int rig_wire_write(int fd, const void *buf, size_t len)
{
	const char *p = buf;

	while (len > 0) {
		ssize_t n = write(fd, p, len);
		int rc;

		if (n >= 0) {
			p += n;
			len -= (size_t)n;
		} else if (errno == EAGAIN) {
			rc = wait_for(fd, POLLOUT);
			if (rc < 0)
				return rc;
		} else if (errno != EINTR) {
			return -errno;
		}
	}
	return 0;
}

/* Reads exactly len bytes. 1, 0 if the stream ended before the first, or -E. */
static int read_all(int fd, void *buf, size_t len)
{
	size_t got = 0;

	while (got < len) {
		ssize_t n = read(fd, (char *)buf + got, len - got);

		if (n > 0)
			got += (size_t)n;
		else if (n == 0)
			return got ? -EPROTO : 0;
		else if (errno != EINTR)
			return -errno;
	}
	return 1;
}

size_t rig_wire_header(char *out, uint8_t type, size_t len)
{
	struct header h = { .type = type, .len = htole32((uint32_t)len) };

	memcpy(out, &h, sizeof(h));
	return sizeof(h);
}

int rig_wire_send(int fd, uint8_t type, const void *data, size_t len)
{
	char buf[RIG_WIRE_HEADER + RIG_WIRE_MAX];

	if (len > RIG_WIRE_MAX)
		return -E2BIG;
	rig_wire_header(buf, type, len);
	if (len)
		memcpy(buf + RIG_WIRE_HEADER, data, len);
	return rig_wire_write(fd, buf, RIG_WIRE_HEADER + len);
}

int rig_wire_send_text(int fd, uint8_t type, const char *text)
{
	return rig_wire_send(fd, type, text, strlen(text));
}

int rig_wire_recv(int fd, struct rig_frame *frame)
{
	struct header h;
	size_t len;
	int rc = read_all(fd, &h, sizeof(h));

	if (rc <= 0)
		return rc;
	len = le32toh(h.len);
	if (len > RIG_WIRE_MAX || h.zero[0] || h.zero[1] || h.zero[2])
		return -EPROTO;
	if (len) {
		rc = read_all(fd, frame->data, len);
		if (rc <= 0)
			return rc ? rc : -EPROTO;
	}
	frame->type = h.type;
	frame->len = len;
	frame->data[len] = '\0';
	return 1;
}

int64_t rig_wire_number(const struct rig_frame *frame, int64_t max)
{
	int64_t value = 0;

	if (frame->len == 0 || frame->len > 18)
		return -EPROTO;
	for (size_t i = 0; i < frame->len; i++) {
		if (frame->data[i] < '0' || frame->data[i] > '9')
			return -EPROTO;
		value = value * 10 + (frame->data[i] - '0');
	}
	return value <= max ? value : -EPROTO;
}
