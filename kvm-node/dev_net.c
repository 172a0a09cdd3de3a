/* SPDX-License-Identifier: BSD-3-Clause */
#include "kvm-node/dev_net.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "libdvm/base/err.h"

void vmm_netdev_want(struct vmm_netdev *d, int events)
{
	if ((d->events | events) == d->events || d->gone)
		return;
	d->events |= events;
	vmm_watch_set(d->watch, d->events);
}

void vmm_netdev_unwant(struct vmm_netdev *d, int events)
{
	d->events &= ~events;
	vmm_watch_set(d->watch, d->events);
}

/* The lock is held in what follows. */

static void has_gone(struct vmm_netdev *d)
{
	char why[160] = "";

	d->gone = true;
	vmm_netdev_unwant(d, UV_READABLE | UV_WRITABLE);
	if (d->ops->reason)
		d->ops->reason(d, why, sizeof why);
	dvmi_log(d->base.bus->m->log, "net", LOG_WARNING, "%s: nobody is behind it any more%s%s",
		 d->base.name, *why ? ": " : "", why);
}

static void receive_some(struct vmm_netdev *d)
{
	int rc = d->ops->receive(d);

	vmm_vdev_signal(&d->n.v, VMM_NET_RX);
	if (rc == -EAGAIN)
		vmm_netdev_unwant(d, UV_READABLE);
	else if (rc == -EPIPE)
		has_gone(d);
}

static void room(void *ctx)
{
	struct vmm_netdev *d = ctx;

	receive_some(d);
	if (!d->n.starved)
		vmm_netdev_want(d, UV_READABLE);
}

static int send_packet(void *ctx, const struct iovec *iov, unsigned n, size_t len)
{
	struct vmm_netdev *d = ctx;

	if (d->gone)
		return -EPIPE;
	int rc = d->out_len ? -EAGAIN : d->ops->send(d, iov, n, len);
	if (rc == -EAGAIN) {
		d->blocked = true;
		vmm_netdev_want(d, UV_WRITABLE);
	}
	return rc;
}

static void started(void *ctx)
{
	struct vmm_netdev *d = ctx;

	if (d->ops->started)
		d->ops->started(d);
}

static const struct vmm_vnet_ops vnet_ops = { .send = send_packet,
					      .room = room,
					      .started = started };

static void write_more(struct vmm_netdev *d)
{
	if (d->ops->flush && d->ops->flush(d))
		return;
	vmm_netdev_unwant(d, UV_WRITABLE);
	if (d->blocked) {
		d->blocked = false;
		vmm_vnet_writable(&d->n);
	}
}

static void on_ready(void *arg, int events)
{
	struct vmm_netdev *d = arg;

	pthread_mutex_lock(&d->n.v.lock);
	if (!events || (events & UV_READABLE))
		receive_some(d);
	if ((events & UV_WRITABLE) && !d->gone)
		write_more(d);
	pthread_mutex_unlock(&d->n.v.lock);
}

/* ---- life ---- */

static void stat_it(struct vmm_device *base, struct dvmi_buf *out)
{
	const struct vmm_vnet *n = &((struct vmm_netdev *)base)->n;

	dvmi_buf_printf(out,
			"\"rx_packets\":%llu,\"rx_bytes\":%llu,\"rx_dropped\":%llu,"
			"\"tx_packets\":%llu,\"tx_bytes\":%llu,\"tx_dropped\":%llu",
			(unsigned long long)n->rx_packets, (unsigned long long)n->rx_bytes,
			(unsigned long long)n->rx_dropped, (unsigned long long)n->tx_packets,
			(unsigned long long)n->tx_bytes, (unsigned long long)n->tx_dropped);
	vmm_lend_stat((struct vmm_vdevice *)base, out);
}

static void destroy(struct vmm_device *base)
{
	struct vmm_netdev *d = (struct vmm_netdev *)base;

	vmm_vdevice_close(&d->base);
	vmm_watch_close(d->watch);
	if (d->ops->close)
		d->ops->close(d);
	if (d->fd >= 0)
		close(d->fd);
	if (d->messages >= 0)
		close(d->messages);
	free(d->in);
	free(d->out);
	vmm_vdevice_free(&d->base);
}

static const struct vmm_device_ops ops = VMM_VDEVICE_OPS(stat_it, destroy);

/* The same for the same guest each time, and another for each of its cards. */
static void make_mac(uint8_t mac[6], const char *name, unsigned i)
{
	uint64_t h = 0xcbf29ce484222325ull;

	for (const char *p = name ? name : ""; *p; p++)
		h = (h ^ (uint8_t)*p) * 0x100000001b3ull;
	h = (h ^ i) * 0x100000001b3ull;
	mac[0] = 0x02;
	memcpy(mac + 1, &h, 5);
}

static int create_one(struct vmm_vbus *bus, unsigned i, struct vmm_device **list, dvm_error_t *err)
{
	struct vmm_netdev *d = calloc(1, sizeof *d);
	uint8_t mac[6];

	if (!d)
		return dvmi_error_code(err, -ENOMEM, "a network card");
	d->c = &bus->m->config->nets[i];
	d->ops = d->c->kind == VMM_NET_TAP ? &vmm_net_tap : &vmm_net_passt;
	d->fd = d->messages = -1;
	vmm_vdevice_list(&d->base, bus, "net", i, &ops, list);
	int rc = d->ops->open(d, err);
	if (rc < 0)
		return rc;
	make_mac(mac, bus->m->config->name, i);
	vmm_vnet_init(&d->n, &bus->mem, d->c->has_mac ? d->c->mac : mac, d->ops->mtu,
		      d->ops->headers, &vnet_ops, d);
	d->base.v = &d->n.v;
	d->events = UV_READABLE;
	rc = vmm_watch_open(&d->watch, bus->m->loop, d->fd, d->events, on_ready, d);
	if (rc < 0)
		return dvmi_error_code(err, rc, "%s", d->base.name);
	return vmm_vdevice_open(&d->base, &d->n.v, err);
}

int vmm_net_create(struct vmm_vbus *bus, struct vmm_device **list, dvm_error_t *err)
{
	int rc = 0;

	for (unsigned i = 0; i < bus->m->config->n_nets && rc >= 0; i++)
		if (bus->m->config->nets[i].kind != VMM_NET_NONE &&
		    bus->m->config->nets[i].host == bus->m->host)
			rc = create_one(bus, i, list, err);
	return rc;
}
