/* SPDX-License-Identifier: BSD-3-Clause */
/* Frames through a tap interface of the host, with the kernel's offloads. */
#include <errno.h>
#include <fcntl.h>
#include <linux/if_tun.h>
#include <linux/virtio_net.h>
#include <net/if.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/uio.h>
#include <unistd.h>

#include "kvm-node/dev_net.h"
#include "libdvm/base/err.h"

static int open_tap(struct vmm_netdev *d, dvm_error_t *err)
{
	struct ifreq r = { .ifr_flags = IFF_TAP | IFF_NO_PI | IFF_VNET_HDR };
	int header = VMM_NET_HEADER;

	if (strlen(d->c->tap) >= sizeof r.ifr_name)
		return dvmi_error_set(err, -EINVAL, "\"%s\" is no name of an interface", d->c->tap);
	/* The kernel would make one, which leads nowhere. */
	if (!if_nametoindex(d->c->tap))
		return dvmi_error_set(err, -ENODEV,
				      "there is no interface called %s (ip tuntap add %s mode tap)",
				      d->c->tap, d->c->tap);
	memcpy(r.ifr_name, d->c->tap, strlen(d->c->tap));
	d->in = malloc(VMM_NET_PACKET_MAX);
	d->fd = open("/dev/net/tun", O_RDWR | O_NONBLOCK | O_CLOEXEC);
	if (!d->in || d->fd < 0)
		return dvmi_error_code(err, d->in ? -errno : -ENOMEM, "/dev/net/tun");
	if (ioctl(d->fd, TUNSETIFF, &r) < 0)
		return dvmi_error_code(err, -errno, "tap interface %s", d->c->tap);
	if (ioctl(d->fd, TUNSETVNETHDRSZ, &header) < 0)
		return dvmi_error_code(err, -errno, "tap interface %s: headers", d->c->tap);
	ioctl(d->fd, TUNSETOFFLOAD, 0);
	return 0;
}

/* The host may leave to the guest what the guest has agreed to do. */
static void started(struct vmm_netdev *d)
{
	uint64_t can = vmm_vnet_guest_offloads(&d->n);
	unsigned long flags = 0;

	if (can & 1ull << VIRTIO_NET_F_GUEST_CSUM) {
		flags = TUN_F_CSUM;
		flags |= can & 1ull << VIRTIO_NET_F_GUEST_TSO4 ? TUN_F_TSO4 : 0;
		flags |= can & 1ull << VIRTIO_NET_F_GUEST_TSO6 ? TUN_F_TSO6 : 0;
		flags |= can & 1ull << VIRTIO_NET_F_GUEST_ECN ? TUN_F_TSO_ECN : 0;
	}
	if (ioctl(d->fd, TUNSETOFFLOAD, flags) < 0)
		dvmi_log(d->base.bus->m->log, "net", LOG_WARNING,
			 "%s: the host makes small frames for the guest: %s", d->base.name,
			 dvm_strerror(-errno));
}

/* The kernel checks the header; what it refuses is dropped. */
static int send_tap(struct vmm_netdev *d, const struct iovec *iov, unsigned n, size_t len)
{
	ssize_t rc;

	do
		rc = writev(d->fd, iov, (int)n);
	while (rc < 0 && errno == EINTR);
	return rc < 0 ? -errno : 0;
}

static int receive_tap(struct vmm_netdev *d)
{
	for (int i = 0; i < VMM_NET_TURN; i++) {
		if (!d->in_len) {
			ssize_t n = read(d->fd, d->in, VMM_NET_PACKET_MAX);
			if (n < 0 && (errno == EAGAIN || errno == EINTR || errno == EIO))
				return 0; /* EIO: the interface is down */
			if (n <= 0)
				return -EPIPE;
			d->in_len = (size_t)n;
		}
		if (vmm_vnet_receive(&d->n, d->in, d->in_len) == -EAGAIN)
			return -EAGAIN;
		d->in_len = 0;
	}
	return 0;
}

const struct vmm_netdev_ops vmm_net_tap = {
	.headers = true,
	.open = open_tap,
	.send = send_tap,
	.receive = receive_tap,
	.started = started,
};
