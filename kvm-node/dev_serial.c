/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The serial console. Bytes the guest sends collect under the lock; the loop writes them out in as
 * few pieces as come together, and never blocks on a console that does not take them.
 */
#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "kvm-node/devices.h"
#include "kvm-node/uart.h"

#define PIECE 4096u /* a pipe that is ready takes this much without blocking */

struct serial {
	struct vmm_device base;
	const struct vmm_machine *m;
	int in, out;
	struct vmm_watch *in_watch, *out_watch; /* out_watch NULL: a file, always ready */
	pthread_mutex_t lock; /* guards what follows */
	struct vmm_uart uart;
	bool line;     /* as the I/O APIC knows it */
	bool flushing; /* the loop knows that there is something */
	bool in_stopped; /* the guest does not read: neither do we */
};

/* The lock is held. */
static void update_line(struct serial *s)
{
	bool line = vmm_uart_line(&s->uart);

	if (line != s->line)
		vmm_irq_line(s->m->irq, VMM_GSI_SERIAL, line);
	s->line = line;
}

/* ---- out; on the loop ---- */

static size_t next_piece(struct serial *s, uint8_t piece[PIECE])
{
	pthread_mutex_lock(&s->lock);
	size_t n = s->uart.tx_len < PIECE ? s->uart.tx_len : PIECE;
	memcpy(piece, s->uart.tx, n);
	s->flushing = n != 0;
	pthread_mutex_unlock(&s->lock);
	return n;
}

static void has_left(struct serial *s, size_t n)
{
	pthread_mutex_lock(&s->lock);
	bool was_full = s->uart.tx_len == VMM_UART_TX;
	vmm_uart_left(&s->uart, n);
	if (was_full)
		update_line(s);
	pthread_mutex_unlock(&s->lock);
}

/* Writes one piece. False: nothing is left, or nobody takes it any more. */
static bool write_piece(struct serial *s)
{
	uint8_t piece[PIECE];
	size_t n = next_piece(s, piece);

	if (!n)
		return false;
	ssize_t done = s->out < 0 ? (ssize_t)n : write(s->out, piece, n);
	if (done < 0 && (errno == EAGAIN || errno == EINTR))
		return true;
	has_left(s, done < 0 ? n : (size_t)done); /* a console that is gone swallows */
	return true;
}

static void on_writable(void *arg, int events)
{
	struct serial *s = arg;

	if (!write_piece(s))
		vmm_watch_set(s->out_watch, 0);
}

static void flush(void *arg)
{
	struct serial *s = arg;

	if (s->out_watch) {
		vmm_watch_set(s->out_watch, UV_WRITABLE);
		return;
	}
	while (write_piece(s))
		;
}

/* ---- in; on the loop ---- */

static void on_readable(void *arg, int events)
{
	struct serial *s = arg;
	uint8_t bytes[256];

	pthread_mutex_lock(&s->lock);
	size_t room = VMM_UART_RX - s->uart.rx_len;
	pthread_mutex_unlock(&s->lock);
	ssize_t n = room ? read(s->in, bytes, room < sizeof bytes ? room : sizeof bytes) : 0;
	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	pthread_mutex_lock(&s->lock);
	if (n > 0) {
		vmm_uart_receive(&s->uart, bytes, (size_t)n);
		update_line(s);
	}
	s->in_stopped = !room;
	pthread_mutex_unlock(&s->lock);
	if (n <= 0)
		vmm_watch_set(s->in_watch, 0);
}

static void read_again(void *arg)
{
	struct serial *s = arg;

	vmm_watch_set(s->in_watch, UV_READABLE);
}

/* ---- the guest ---- */

static void access_port(void *dev, struct vmm_access *a)
{
	struct serial *s = dev;
	bool kick = false, more = false;

	if (a->len != 1)
		return;
	pthread_mutex_lock(&s->lock);
	if (a->write) {
		vmm_uart_write(&s->uart, (unsigned)a->off, (uint8_t)a->data);
		kick = s->uart.tx_len && !s->flushing;
		s->flushing |= kick;
	} else {
		a->data = vmm_uart_read(&s->uart, (unsigned)a->off);
		more = s->in_stopped && s->uart.rx_len < VMM_UART_RX;
		s->in_stopped &= !more;
	}
	update_line(s);
	pthread_mutex_unlock(&s->lock);
	if (kick)
		vmm_loop_call(s->m->loop, flush, s);
	if (more)
		vmm_loop_call(s->m->loop, read_again, s);
}

/* ---- life ---- */

static void reset(struct vmm_device *d)
{
	struct serial *s = (struct serial *)d;

	pthread_mutex_lock(&s->lock);
	vmm_uart_init(&s->uart);
	s->line = false; /* the I/O APIC forgets, too */
	pthread_mutex_unlock(&s->lock);
}

static void stat_it(struct vmm_device *d, struct dvmi_buf *out)
{
	struct serial *s = (struct serial *)d;

	dvmi_buf_printf(out, "\"dropped\":%llu", (unsigned long long)s->uart.dropped);
}

/* What the guest has said last is the most interesting: a console gets a second to take it. */
static void drain(struct serial *s)
{
	struct pollfd p = { s->out, POLLOUT, 0 };

	while (write_piece(s))
		if (s->out >= 0 && poll(&p, 1, 1000) == 0)
			return;
}

static void destroy(struct vmm_device *d)
{
	struct serial *s = (struct serial *)d;

	drain(s);
	vmm_watch_close(s->in_watch);
	vmm_watch_close(s->out_watch);
	pthread_mutex_destroy(&s->lock);
	free(s);
}

static const struct vmm_device_ops ops = { .reset = reset, .stat = stat_it, .destroy = destroy };
static const struct vmm_bus_ops port_ops = { access_port };

static int watch_console(struct serial *s)
{
	int rc = 0;

	/* Files cannot be watched, and need not be. */
	if (s->out >= 0)
		rc = vmm_watch_open(&s->out_watch, s->m->loop, s->out, 0, on_writable, s);
	if (rc == -EPERM || rc == -EEXIST)
		rc = 0;
	if (rc == 0 && s->in >= 0)
		rc = vmm_watch_open(&s->in_watch, s->m->loop, s->in, UV_READABLE, on_readable, s);
	return rc == -EPERM || rc == -EEXIST ? 0 : rc;
}

static int create(const struct vmm_machine *m, struct vmm_device **list, dvm_error_t *err)
{
	static const struct vmm_acpi_device acpi = { .name = "COM1", .hid = "PNP0501", .uid = 1,
						     .io = VMM_PORT_SERIAL, .io_len = 8,
						     .gsi = VMM_GSI_SERIAL, .edge = true };
	struct serial *s = calloc(1, sizeof *s);

	if (!s)
		return -ENOMEM;
	s->m = m;
	s->in = m->config->console_in;
	s->out = m->config->console_out;
	pthread_mutex_init(&s->lock, NULL);
	vmm_uart_init(&s->uart);
	vmm_device_add(list, &s->base, &ops, "serial");
	int rc = watch_console(s);
	if (rc == 0)
		rc = vmm_device_ports(m, "serial", VMM_PORT_SERIAL, 8, &port_ops, s, err);
	return rc < 0 ? rc : vmm_acpi_add_device(m->acpi, &acpi);
}

const struct vmm_device_kind vmm_dev_serial = { "serial console", create };
