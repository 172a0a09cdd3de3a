/* SPDX-License-Identifier: BSD-3-Clause */
#include "kvm-node/consoles.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

#include "libdvm/base/err.h"

#define KEPT  65536u /* bytes for who joins later */
#define PIECE 4096u
#define PIPE  65536u /* what one holds */

/* A pipe each way. */
struct port {
	struct vmm_consoles *owner;
	int from_guest, to_guest; /* our ends */
	int guest_out, guest_in;  /* the guest's */
	struct vmm_watch *watch, *room;
};

enum { SERIAL, VIRTIO, PORTS };

struct vmm_consoles {
	int out;
	vmm_printed_fn *fn;
	vmm_room_fn *room;
	void *arg;
	struct vmm_loop *loop;
	struct port ports[PORTS];
	struct port *typed_at; /* where what is typed goes */
	uint8_t kept[KEPT];
	size_t kept_len, kept_at; /* a ring: where the next byte goes */
};

/* ---- what the guest prints ---- */

static void keep(struct vmm_consoles *c, const uint8_t *p, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		c->kept[c->kept_at] = p[i];
		c->kept_at = (c->kept_at + 1) % KEPT;
	}
	c->kept_len = c->kept_len + n < KEPT ? c->kept_len + n : KEPT;
}

static void print(const struct vmm_consoles *c, const uint8_t *p, size_t n)
{
	for (size_t at = 0; c->out >= 0 && at < n;) {
		ssize_t done = write(c->out, p + at, n - at);
		if (done < 0 && errno == EINTR)
			continue;
		if (done < 0)
			break; /* nobody listens any more */
		at += (size_t)done;
	}
}

static bool read_guest(struct port *port)
{
	struct vmm_consoles *c = port->owner;
	uint8_t p[PIECE];
	ssize_t n = read(port->from_guest, p, sizeof p);

	if (n <= 0)
		return false;
	/* The guest has a driver for it, and somebody behind that. */
	bool other = port == &c->ports[VIRTIO] && c->typed_at != port;
	if (other)
		c->typed_at = port;
	keep(c, p, (size_t)n);
	print(c, p, (size_t)n);
	c->fn(c->arg, p, (size_t)n);
	if (other)
		c->room(c->arg);
	return true;
}

static void on_guest(void *arg, int events)
{
	read_guest(arg);
}

/* On the loop. What it printed before is no sign that somebody is there now. */
static void forget_virtio(void *arg)
{
	struct vmm_consoles *c = arg;

	for (unsigned n = 0; n < PIPE && read_guest(&c->ports[VIRTIO]); n += PIECE)
		;
	c->typed_at = &c->ports[SERIAL];
	c->room(c->arg);
}

/* Without memory, what is typed while the guest starts waits for its driver. */
static void on_reset(void *arg)
{
	struct vmm_consoles *c = arg;

	(void)vmm_loop_call(c->loop, forget_virtio, c);
}

void vmm_consoles_replay(const struct vmm_consoles *c, vmm_printed_fn *fn, void *arg)
{
	if (c->kept_len == KEPT)
		fn(arg, c->kept + c->kept_at, KEPT - c->kept_at);
	fn(arg, c->kept, c->kept_at);
}

static void on_room(void *arg, int events)
{
	struct port *port = arg;

	vmm_watch_set(port->room, 0);
	port->owner->room(port->owner->arg);
}

ssize_t vmm_consoles_type(struct vmm_consoles *c, const void *p, size_t n)
{
	struct port *port = c->typed_at;
	ssize_t done = write(port->to_guest, p, n);

	if (done < 0 && errno != EAGAIN && errno != EINTR)
		return -errno;
	if (done < (ssize_t)n)
		vmm_watch_set(port->room, UV_WRITABLE);
	return done < 0 ? 0 : done;
}

/* ---- life ---- */

static int make_pipes(struct port *port, dvm_error_t *err)
{
	int out[2], in[2];

	if (pipe2(out, O_CLOEXEC | O_NONBLOCK) < 0)
		return dvmi_error_code(err, -errno, "the console");
	port->from_guest = out[0];
	port->guest_out = out[1];
	if (pipe2(in, O_CLOEXEC | O_NONBLOCK) < 0)
		return dvmi_error_code(err, -errno, "the console");
	port->guest_in = in[0];
	port->to_guest = in[1];
	return 0;
}

static void give_ends(struct vmm_consoles *c, struct vmm_config *config)
{
	config->console_in = c->ports[SERIAL].guest_in;
	config->console_out = c->ports[SERIAL].guest_out;
	config->hvc_in = c->ports[VIRTIO].guest_in;
	config->hvc_out = c->ports[VIRTIO].guest_out;
	config->hvc_reset = on_reset;
	config->hvc_arg = c;
}

int vmm_consoles_create(struct vmm_consoles **out, int out_fd, struct vmm_config *config,
			vmm_printed_fn *fn, vmm_room_fn *room, void *arg, dvm_error_t *err)
{
	struct vmm_consoles *c = calloc(1, sizeof *c);
	int rc = 0;

	if (!c)
		return dvmi_error_code(err, -ENOMEM, "the console");
	c->out = out_fd;
	c->fn = fn;
	c->room = room;
	c->arg = arg;
	for (unsigned i = 0; i < PORTS; i++)
		c->ports[i] = (struct port){ c, -1, -1, -1, -1, NULL, NULL };
	c->typed_at = &c->ports[SERIAL];
	for (unsigned i = 0; rc == 0 && i < PORTS; i++)
		rc = make_pipes(&c->ports[i], err);
	if (rc < 0) {
		vmm_consoles_destroy(c);
		return rc;
	}
	give_ends(c, config);
	*out = c;
	return 0;
}

int vmm_consoles_start(struct vmm_consoles *c, struct vmm_loop *loop)
{
	int rc = 0;

	c->loop = loop;
	for (struct port *p = c->ports; rc == 0 && p < c->ports + PORTS; p++) {
		rc = vmm_watch_open(&p->watch, loop, p->from_guest, UV_READABLE, on_guest, p);
		if (rc == 0)
			rc = vmm_watch_open(&p->room, loop, p->to_guest, 0, on_room, p);
	}
	return rc;
}

static void close_port(struct port *port)
{
	const int fds[] = { port->from_guest, port->to_guest, port->guest_in, port->guest_out };

	while (port->from_guest >= 0 && read_guest(port))
		;
	vmm_watch_close(port->watch);
	vmm_watch_close(port->room);
	for (size_t i = 0; i < sizeof fds / sizeof fds[0]; i++)
		if (fds[i] >= 0)
			close(fds[i]);
}

void vmm_consoles_destroy(struct vmm_consoles *c)
{
	if (!c)
		return;
	for (unsigned i = 0; i < PORTS; i++)
		close_port(&c->ports[i]);
	free(c);
}
