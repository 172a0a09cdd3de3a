/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What a client of the rig and the agent inside an emulated host say to each other, over one
 * stream socket per command.
 *
 * A frame is a type byte, three zero bytes, the payload's length (32 bits, little-endian) and the
 * payload. The client sends TOKEN, the agent answers READY; the client describes the command
 * (USER, DIR, ENV, ARG, TTY, CLOCK in any number), then GO. From there on STDIN, SIGNAL and
 * WINSIZE go in, STDOUT and STDERR come out, and one EXIT (or ERROR) ends it. A client that goes
 * away takes its command with it. Text payloads carry no NUL; numbers are decimal text.
 */
#ifndef TESTS_RIG_WIRE_H
#define TESTS_RIG_WIRE_H

#include <stddef.h>
#include <stdint.h>

#define RIG_WIRE_MAX	65536u /* bytes of payload */
#define RIG_WIRE_HEADER 8u

enum rig_wire_type {
	RIG_TOKEN = 1, /* the rig's secret */
	RIG_USER,      /* user name; default root */
	RIG_DIR,       /* working directory; default the user's home */
	RIG_ENV,       /* NAME=VALUE */
	RIG_ARG,       /* the next word of the command */
	RIG_TTY,       /* run on a pseudo terminal; payload as WINSIZE */
	RIG_CLOCK,     /* set the host's clock first: microseconds since the epoch */
	RIG_GO,
	RIG_STDIN,   /* bytes; none: end of file */
	RIG_SIGNAL,  /* number, to the command's process group */
	RIG_WINSIZE, /* rows * 65536 + columns */
	RIG_READY = 32,
	RIG_STDOUT, /* bytes */
	RIG_STDERR, /* bytes */
	RIG_EXIT,   /* the command's status as a shell gives it: 0-255 */
	RIG_ERROR,  /* why the command could not run */
};

struct rig_frame {
	uint8_t type;
	size_t len;
	char data[RIG_WIRE_MAX + 1]; /* a NUL follows the payload */
};

/* Writes a frame's header to out, for callers that send frames in parts. Its length in bytes. */
size_t rig_wire_header(char *out, uint8_t type, size_t len);

/* Writes one frame, waiting as long as it takes. 0; -E2BIG, -EPIPE and other write errors. */
int rig_wire_send(int fd, uint8_t type, const void *data, size_t len);

/* rig_wire_send() of a string, without its NUL. */
int rig_wire_send_text(int fd, uint8_t type, const char *text);

/* Reads one frame, waiting as long as it takes. 1; 0 at a clean end; -EPROTO for bytes that are no
 * frame or an end inside one; other read errors. */
int rig_wire_recv(int fd, struct rig_frame *frame);

/* The frame's payload as a decimal number of at most max. -EPROTO if it is anything else. */
int64_t rig_wire_number(const struct rig_frame *frame, int64_t max);

/* Writes all of buf to a descriptor that may block. 0 or -E. */
int rig_wire_write(int fd, const void *buf, size_t len);

#endif
