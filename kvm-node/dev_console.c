/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The virtio console (hvc0 of a Linux guest): a byte costs no exit of its own, as it does at the
 * serial port. Everything here is done by the loop's thread, under the device's lock.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "kvm-node/dev_virtio.h"
#include "kvm-node/virtio_console.h"
#include "kvm-node/vmm.h"
#include "libdvm/base/err.h"

enum { WAITING = 65536, TYPED = 256 };

struct console {
	struct vmm_vdevice base;
	struct vmm_vconsole c;
	int in, out;
	struct vmm_watch *in_watch, *out_watch; /* out_watch NULL: a file, always ready */
	uint8_t waiting[WAITING]; /* printed, and not taken yet */
	size_t n_waiting;
	uint8_t typed[TYPED]; /* and not read by the guest yet */
	size_t typed_at, n_typed;
	uint64_t printed, dropped;
};

/* ---- what the guest prints ---- */

/* Writes what waits as far as it is taken; nobody there any more takes all. */
static void write_waiting(struct console *d)
{
	size_t at = 0;

	while (at < d->n_waiting) {
		ssize_t n = d->out < 0 ? (ssize_t)(d->n_waiting - at) :
					 write(d->out, d->waiting + at, d->n_waiting - at);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0 && errno == EAGAIN)
			break;
		at = n < 0 ? d->n_waiting : at + (size_t)n;
	}
	d->n_waiting -= at;
	memmove(d->waiting, d->waiting + at, d->n_waiting);
	if (d->out_watch)
		vmm_watch_set(d->out_watch, d->n_waiting ? UV_WRITABLE : 0);
}

static void print(void *ctx, const void *bytes, size_t len)
{
	struct console *d = ctx;
	size_t room = WAITING - d->n_waiting, n = len < room ? len : room;

	memcpy(d->waiting + d->n_waiting, bytes, n);
	d->n_waiting += n;
	d->printed += len;
	d->dropped += len - n; /* the guest waits for no reader */
	write_waiting(d);
}

static void on_writable(void *arg, int events)
{
	struct console *d = arg;

	pthread_mutex_lock(&d->c.v.lock);
	write_waiting(d);
	pthread_mutex_unlock(&d->c.v.lock);
}

/* ---- what is typed ---- */

static void give(struct console *d)
{
	size_t n = vmm_vconsole_input(&d->c, d->typed + d->typed_at, d->n_typed);

	d->typed_at += n;
	d->n_typed -= n;
	vmm_watch_set(d->in_watch, d->n_typed ? 0 : UV_READABLE);
}

static void on_readable(void *arg, int events)
{
	struct console *d = arg;

	pthread_mutex_lock(&d->c.v.lock);
	ssize_t n = read(d->in, d->typed, sizeof d->typed);
	if (n > 0) {
		d->typed_at = 0;
		d->n_typed = (size_t)n;
		give(d);
	} else if (n == 0 || (errno != EAGAIN && errno != EINTR)) {
		vmm_watch_set(d->in_watch, 0);
	}
	pthread_mutex_unlock(&d->c.v.lock);
}

static void room(void *ctx)
{
	struct console *d = ctx;

	if (d->in_watch)
		give(d);
}

/* ---- life ---- */

static void stat_it(struct vmm_device *base, struct dvmi_buf *out)
{
	const struct console *d = (struct console *)base;

	dvmi_buf_printf(out, "\"printed\":%llu,\"dropped\":%llu", (unsigned long long)d->printed,
			(unsigned long long)d->dropped);
}

static void destroy(struct vmm_device *base)
{
	struct console *d = (struct console *)base;

	vmm_vdevice_close(&d->base);
	vmm_watch_close(d->in_watch);
	vmm_watch_close(d->out_watch);
	vmm_vdevice_free(&d->base);
}

static void reset(struct vmm_device *base)
{
	const struct vmm_config *config = ((struct console *)base)->base.bus->m->config;

	vmm_vdevice_reset(base);
	if (config->hvc_reset)
		config->hvc_reset(config->hvc_arg);
}

static const struct vmm_device_ops ops = {
	.reset = reset,
	.pause = vmm_vdevice_pause,
	.resume = vmm_vdevice_resume,
	.stat = stat_it,
	.destroy = destroy,
};

/* Files cannot be watched, and need not be. */
static int watch(struct vmm_watch **w, struct console *d, int fd, int events, vmm_watch_fn *fn)
{
	int rc = fd < 0 ? 0 : vmm_watch_open(w, d->base.bus->m->loop, fd, events, fn, d);

	return rc == -EPERM || rc == -EEXIST ? 0 : rc;
}

int vmm_console_create(struct vmm_vbus *bus, struct vmm_device **list, dvm_error_t *err)
{
	const struct vmm_config *config = bus->m->config;

	if (!config->hvc)
		return 0;
	struct console *d = calloc(1, sizeof *d);
	if (!d)
		return dvmi_error_code(err, -ENOMEM, "the console");
	d->in = config->hvc_in;
	d->out = config->hvc_out;
	vmm_vdevice_list(&d->base, bus, "console", 0, &ops, list);
	vmm_vconsole_init(&d->c, &bus->mem, print, room, d);
	d->base.v = &d->c.v;
	int rc = watch(&d->out_watch, d, d->out, 0, on_writable);
	if (rc == 0)
		rc = watch(&d->in_watch, d, d->in, UV_READABLE, on_readable);
	if (rc < 0)
		return dvmi_error_code(err, rc, "the console");
	return vmm_vdevice_open(&d->base, &d->c.v, err);
}
