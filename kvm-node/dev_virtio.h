/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Virtio devices in a machine: the PCI bus they are on, and what their back ends have in common.
 *
 * Queues are served by the loop's thread, woken by a doorbell that is an eventfd.
 */
#ifndef VMM_DEV_VIRTIO_H
#define VMM_DEV_VIRTIO_H

#include "kvm-node/device.h"
#include "kvm-node/loop.h"
#include "kvm-node/virtio_pci.h"

/* The bus, a device itself. */
struct vmm_vbus {
	struct vmm_device base;
	const struct vmm_machine *m;
	struct vmm_pci pci;
	struct vmm_gmem mem;
	pthread_mutex_t pins_lock;
	uint32_t pins; /* slots that assert theirs */
};

/* The beginning of each virtio device. */
struct vmm_vdevice {
	struct vmm_device base;
	struct vmm_vbus *bus;
	struct vmm_vdev *v; /* from when it has been initialised */
	struct vmm_vpci t;
	int slot;
	int bell;
	const int *bells;  /* one for each queue, if they are not this one; or NULL */
	struct vmm_lend *lend; /* of one of several hosts: others may have its rings; or NULL */
	uint32_t bells_at; /* where the doorbells are; 0: nowhere */
	struct vmm_watch *watch;
	char name[16];
};

/*
 * A device begins by being in the list, all zeros, so that its destroy() finds it whatever fails
 * next; then V, which has been initialised, goes on the bus and its doorbell on the loop.
 */
void vmm_vdevice_list(struct vmm_vdevice *d, struct vmm_vbus *bus, const char *kind,
		      unsigned number, const struct vmm_device_ops *ops, struct vmm_device **list);
int vmm_vdevice_open(struct vmm_vdevice *d, struct vmm_vdev *v, dvm_error_t *err);

void vmm_vdevice_reset(struct vmm_device *d);
void vmm_vdevice_pause(struct vmm_device *d);
void vmm_vdevice_resume(struct vmm_device *d);
/*
 * For destroy(): ends what is in flight, the loop's thread being gone, and takes D off the loop.
 * V stays. Also for one that was never opened.
 */
void vmm_vdevice_close(struct vmm_vdevice *d);
/* The last of destroy(): V, if there is one by now, and D itself. */
void vmm_vdevice_free(struct vmm_vdevice *d);
/* dev_lend.c: other hosts may have the rings of D's queues. */
int vmm_lend_open(struct vmm_vdevice *d, dvm_error_t *err);
void vmm_lend_close(struct vmm_vdevice *d); /* also without */
/* On the loop's thread, before D has its turn. */
void vmm_lend_turn(struct vmm_vdevice *d);
/* More members of an object. */
void vmm_lend_stat(const struct vmm_vdevice *d, struct dvmi_buf *out);

/* Both: for a device that has nothing else to end. */
void vmm_vdevice_destroy(struct vmm_device *d);

/* The calls of a device that has no more to say than this. */
#define VMM_VDEVICE_OPS(stat_fn, destroy_fn)                                                       \
	{                                                                                          \
		.reset = vmm_vdevice_reset, .pause = vmm_vdevice_pause,                            \
		.resume = vmm_vdevice_resume, .stat = stat_fn, .destroy = destroy_fn,              \
	}

/* Rows of the table in dev_virtio.c: each makes its devices, as the configuration says. */
typedef int vmm_vdevice_create_fn(struct vmm_vbus *bus, struct vmm_device **list, dvm_error_t *err);
vmm_vdevice_create_fn vmm_blk_create, vmm_net_create, vmm_rng_create, vmm_balloon_create,
	vmm_vsock_create, vmm_console_create, vmm_fs_create;

#endif
