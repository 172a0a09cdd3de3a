/* SPDX-License-Identifier: BSD-3-Clause */
/* A network card and where its frames go: one file for each kind of back end. */
#ifndef VMM_DEV_NET_H
#define VMM_DEV_NET_H

#include <sys/types.h>

#include "kvm-node/dev_virtio.h"
#include "kvm-node/helper.h"
#include "kvm-node/virtio_net.h"
#include "kvm-node/vmm.h"

enum { VMM_NET_TURN = 64 }; /* packets from a back end before others have their turn */

struct vmm_netdev;

struct vmm_netdev_ops {
	bool headers;
	uint16_t mtu;
	int (*open)(struct vmm_netdev *d, dvm_error_t *err);
	int (*send)(struct vmm_netdev *d, const struct iovec *iov, unsigned n, size_t len);
	/* Hands packets that are there to the guest: 0, -EAGAIN: the guest has no room, -EPIPE:
	 * gone. */
	int (*receive)(struct vmm_netdev *d);
	/* What send() could not write at once. Returns whether there is more. */
	bool (*flush)(struct vmm_netdev *d);
	void (*started)(struct vmm_netdev *d);
	/* After -EPIPE: why, as far as is known. May be NULL. */
	void (*reason)(struct vmm_netdev *d, char *text, size_t size);
	void (*close)(struct vmm_netdev *d);
};

struct vmm_netdev {
	struct vmm_vdevice base;
	struct vmm_vnet n;
	const struct vmm_net_config *c;
	const struct vmm_netdev_ops *ops;
	int fd;
	struct vmm_helper helper;
	int messages; /* what the helper has said, or -1 */
	struct vmm_watch *watch;
	int events;
	bool gone, blocked; /* nobody is there any more; send() has refused a packet */
	uint8_t *in, *out;  /* of the back end; freed with the device */
	size_t in_at, in_len, out_at, out_len;
};

/* Watch for EVENTS, too, or not any more. On the loop's thread. */
void vmm_netdev_want(struct vmm_netdev *d, int events);
void vmm_netdev_unwant(struct vmm_netdev *d, int events);

extern const struct vmm_netdev_ops vmm_net_tap, vmm_net_passt;

#endif
