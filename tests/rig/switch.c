/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The network between emulated hosts: a learning switch. One thread, no I/O that waits.
 *
 * A frame on an emulator's stream socket is preceded by its length, 32 bits, big-endian. A port
 * whose backlog is full loses frames, whole ones, as a switch does.
 */
#include "tests/rig/switch.h"

#include <endian.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define FRAME_MAX   (4u + 65535u) /* with its length */
#define BACKLOG_MAX (2u << 20)	  /* bytes */
#define MAC_SLOTS   1024u
#define MAC_LEN	    6u

struct port {
	int fd;
	unsigned int group;
	char *in; /* the beginning of a frame */
	size_t in_len;
	char *out; /* frames the emulator has not taken yet */
	size_t out_len;
};

struct learned {
	unsigned char mac[MAC_LEN];
	size_t port; /* + 1; 0: free */
};

struct rig_switch {
	struct port port[RIG_SWITCH_PORTS];
	struct learned learned[MAC_SLOTS];
};

int rig_switch_create(struct rig_switch **out)
{
	struct rig_switch *sw = calloc(1, sizeof(*sw));

	if (!sw)
		return -ENOMEM;
	for (size_t i = 0; i < RIG_SWITCH_PORTS; i++)
		sw->port[i].fd = -1;
	*out = sw;
	return 0;
}

void rig_switch_destroy(struct rig_switch *sw)
{
	if (!sw)
		return;
	for (size_t i = 0; i < RIG_SWITCH_PORTS; i++)
		rig_switch_unplug(sw, i);
	free(sw);
}

int rig_switch_plug(struct rig_switch *sw, size_t port, int fd)
{
	struct port *p;

	if (port >= RIG_SWITCH_PORTS || sw->port[port].fd >= 0)
		return -EINVAL;
	p = &sw->port[port];
	p->in = malloc(FRAME_MAX);
	p->out = malloc(BACKLOG_MAX);
	if (!p->in || !p->out) {
		free(p->in);
		free(p->out);
		p->in = p->out = NULL;
		return -ENOMEM;
	}
	p->fd = fd;
	return 0;
}

void rig_switch_unplug(struct rig_switch *sw, size_t port)
{
	struct port *p = &sw->port[port];

	if (p->fd >= 0)
		close(p->fd);
	free(p->in);
	free(p->out);
	*p = (struct port){ .fd = -1, .group = p->group };
	for (size_t i = 0; i < MAC_SLOTS; i++)
		if (sw->learned[i].port == port + 1)
			sw->learned[i].port = 0;
}

void rig_switch_group(struct rig_switch *sw, size_t port, unsigned int group)
{
	sw->port[port].group = group;
}

int rig_switch_fd(const struct rig_switch *sw, size_t port)
{
	return sw->port[port].fd;
}

bool rig_switch_backlog(const struct rig_switch *sw, size_t port)
{
	return sw->port[port].out_len > 0;
}

static struct learned *slot_of(struct rig_switch *sw, const unsigned char *mac)
{
	unsigned int h = 0;

	for (size_t i = 0; i < MAC_LEN; i++)
		h = h * 31 + mac[i];
	return &sw->learned[h % MAC_SLOTS];
}

static void learn(struct rig_switch *sw, const unsigned char *mac, size_t port)
{
	struct learned *l = slot_of(sw, mac);

	memcpy(l->mac, mac, MAC_LEN);
	l->port = port + 1;
}

/* The port behind an address, or RIG_SWITCH_PORTS if it is not known or stands for many. */
static size_t lookup(struct rig_switch *sw, const unsigned char *mac)
{
	struct learned *l = slot_of(sw, mac);

	if ((mac[0] & 1) || !l->port || memcmp(l->mac, mac, MAC_LEN))
		return RIG_SWITCH_PORTS;
	return l->port - 1;
}

/* Sends without waiting; keeps what did not go out behind what waits already. */
static void transmit(struct port *p, const char *frame, size_t len)
{
	ssize_t n = 0;

	if (p->out_len == 0) {
		n = send(p->fd, frame, len, MSG_DONTWAIT | MSG_NOSIGNAL);
		if (n < 0)
			n = 0; /* a dead socket shows up in rig_switch_receive() */
	}
	if ((size_t)n < len && p->out_len + len - (size_t)n <= BACKLOG_MAX) {
		memcpy(p->out + p->out_len, frame + n, len - (size_t)n);
		p->out_len += len - (size_t)n;
	}
}

static void forward(struct rig_switch *sw, size_t from, const char *frame, size_t len)
{
	const unsigned char *mac = (const unsigned char *)frame + 4;
	size_t to;

	if (len < 4 + 2 * MAC_LEN)
		return;
	learn(sw, mac + MAC_LEN, from);
	to = lookup(sw, mac);
	for (size_t i = 0; i < RIG_SWITCH_PORTS; i++) {
		struct port *p = &sw->port[i];

		if (p->fd >= 0 && i != from && p->group == sw->port[from].group &&
		    (to == i || to == RIG_SWITCH_PORTS))
			transmit(p, frame, len);
	}
}

/* Forwards the whole frames at the start of the buffer and keeps the rest. */
static int forward_all(struct rig_switch *sw, size_t port)
{
	struct port *p = &sw->port[port];
	size_t at = 0;
	uint32_t len;

	while (p->in_len - at >= 4) {
		memcpy(&len, p->in + at, 4);
		len = be32toh(len);
		if (len > FRAME_MAX - 4)
			return -EPROTO;
		if (p->in_len - at < 4 + len)
			break;
		forward(sw, port, p->in + at, 4 + len);
		at += 4 + len;
	}
	memmove(p->in, p->in + at, p->in_len - at);
	p->in_len -= at;
	return 0;
}

int rig_switch_receive(struct rig_switch *sw, size_t port)
{
	struct port *p = &sw->port[port];
	ssize_t n = recv(p->fd, p->in + p->in_len, FRAME_MAX - p->in_len, MSG_DONTWAIT);

	if (n == 0)
		return -EPIPE;
	if (n < 0)
		return errno == EAGAIN || errno == EINTR ? 0 : -errno;
	p->in_len += (size_t)n;
	return forward_all(sw, port);
}

int rig_switch_flush(struct rig_switch *sw, size_t port)
{
	struct port *p = &sw->port[port];
	ssize_t n = send(p->fd, p->out, p->out_len, MSG_DONTWAIT | MSG_NOSIGNAL);

	if (n < 0)
		return errno == EAGAIN || errno == EINTR ? 0 : -errno;
	memmove(p->out, p->out + n, p->out_len - (size_t)n);
	p->out_len -= (size_t)n;
	return 0;
}

void rig_switch_nudge(struct rig_switch *sw)
{
	static const unsigned char frame[4 + 60] = {
		0, 0, 0, 60, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x02, 0, 0, 0, 0, 0, 0x88, 0xb5,
	};

	for (size_t i = 0; i < RIG_SWITCH_PORTS; i++)
		if (sw->port[i].fd >= 0 && !sw->port[i].out_len)
			transmit(&sw->port[i], (const char *)frame, sizeof(frame));
}
