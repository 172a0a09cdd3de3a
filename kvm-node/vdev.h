/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A virtio device without its transport: status, features, queues, configuration. Pure: it is told
 * of registers and kicks and calls back; a transport (virtio_pci) sits above, a device (blk, net …)
 * below.
 *
 * Threads: vCPUs come through the transport, back ends through the loop. Whoever touches a device
 * holds its lock; a device's own functions are called with it held. Workers of a back end do
 * so only to say that a request is done.
 *
 * A reset waits for what is in flight, since workers and the kernel still write to guest memory:
 * the driver reads a status other than 0 until the last of it has ended.
 */
#ifndef VMM_VDEV_H
#define VMM_VDEV_H

#include <pthread.h>

#include "kvm-node/virtq.h"

enum {
	VMM_VDEV_QUEUES = 8,
	VMM_VDEV_CONFIG = 64,
	VMM_VDEV_BUDGET = 1024,	      /* requests of one queue before others have their turn */
	VMM_VDEV_CONFIG_CHANGED = -1, /* for `signal`, in place of a queue */
};

struct vmm_vdev;

/* What a kind of device is. Functions may be NULL. */
struct vmm_vdev_type {
	const char *name;
	uint16_t id;	/* VIRTIO_ID_… */
	uint32_t class; /* PCI class code, 24 bits */
	unsigned nqueues;
	uint16_t queue_size;
	unsigned config_len;
	bool lends; /* other hosts may walk the rings of its queues (virtq_away.h) */
	/* The driver is ready; features are agreed on. */
	void (*start)(struct vmm_vdev *v);
	/* There may be requests in queue Q. */
	void (*kick)(struct vmm_vdev *v, unsigned q);
	/* No more queues from here on. Requests in flight (vdev.in_flight) end by themselves. */
	void (*stop)(struct vmm_vdev *v);
	/*
	 * First in each vmm_vdev_run(), which also comes after a reset has begun and after a pause:
	 * for a device whose queues are somebody else's while it runs, or that is told things without its
	 * lock.
	 */
	void (*turn)(struct vmm_vdev *v);
	/* The driver has written to the configuration, which holds the new bytes. */
	void (*configured)(struct vmm_vdev *v, unsigned at, unsigned len);
};

struct vmm_vdev {
	pthread_mutex_t lock;
	const struct vmm_vdev_type *type;
	uint64_t offered, agreed;
	uint8_t status, generation;
	bool resetting, paused;
	unsigned in_flight;  /* requests popped that somebody still works on */
	pthread_cond_t idle; /* in_flight is 0 */
	uint8_t config[VMM_VDEV_CONFIG];
	unsigned writable_from, writable_to; /* of the configuration, by the driver */
	struct vmm_virtq q[VMM_VDEV_QUEUES];
	unsigned budget; /* requests left in this turn */
	uint32_t kicked; /* bit per queue: to be looked at by vmm_vdev_run */

	/* By whoever owns the transport: an interrupt for queue Q or VMM_VDEV_CONFIG_CHANGED. */
	void (*signal)(void *transport, int q);
	void *transport;
	/* The message that such an interrupt would be, if it would be sent at once. */
	bool (*message)(void *transport, int q, uint64_t *addr, uint32_t *data);
	/* Have vmm_vdev_run called soon, on the thread of the loop. Any thread may call. */
	void (*wake)(void *waker);
	/* Of queues that are lent; lock held. Answers are to go; the rings are to be ours: waits. */
	void (*answer)(void *waker, unsigned q);
	void (*recall)(void *waker, unsigned q);
	void *waker;
};

void vmm_vdev_init(struct vmm_vdev *v, const struct vmm_vdev_type *type, const struct vmm_gmem *mem,
		   uint64_t features);
void vmm_vdev_destroy(struct vmm_vdev *v);

/* For transports; lock held. */
uint8_t vmm_vdev_status(const struct vmm_vdev *v);
void vmm_vdev_set_status(struct vmm_vdev *v, uint8_t status);
void vmm_vdev_agree(struct vmm_vdev *v, uint64_t features);
int vmm_vdev_enable_queue(struct vmm_vdev *v, unsigned q);
void vmm_vdev_read_config(struct vmm_vdev *v, uint64_t at, void *buf, unsigned len);
void vmm_vdev_write_config(struct vmm_vdev *v, uint64_t at, const void *buf, unsigned len);

/* All rings are ours again, and what was sent before is here. Before the transport changes. */
void vmm_vdev_recall(struct vmm_vdev *v);

/* The driver says that there is something in queue Q. Any thread, no lock needed. */
void vmm_vdev_kick(struct vmm_vdev *v, unsigned q);

/* For the loop; takes the lock. */
void vmm_vdev_run(struct vmm_vdev *v);

/*
 * For whoever stops the machine; take the lock. Paused, no request is begun; returns when none is
 * in flight. Resumed, all queues are looked at.
 */
void vmm_vdev_pause(struct vmm_vdev *v);
void vmm_vdev_resume(struct vmm_vdev *v);

/* For devices; lock held. */
bool vmm_vdev_agreed(const struct vmm_vdev *v, unsigned feature);
bool vmm_vdev_running(const struct vmm_vdev *v);
/* The next request of queue Q, or false; a broken queue has been dealt with. */
bool vmm_vdev_pop(struct vmm_vdev *v, unsigned q, struct vmm_chain *c);
/*
 * Pop says no: are there new ones, so that it is to be asked again? If not, the driver kicks. A
 * driver that never stops gets another turn later.
 */
bool vmm_vdev_more(struct vmm_vdev *v, unsigned q);
void vmm_vdev_push(struct vmm_vdev *v, unsigned q, uint16_t head, uint32_t written);
/* After a batch of pushes: an interrupt, if the driver wants one. */
void vmm_vdev_signal(struct vmm_vdev *v, unsigned q);
/* The driver did what no driver does: it has to reset the device. */
void vmm_vdev_fail(struct vmm_vdev *v);
/* A popped request has been handed to somebody, and has come back. */
void vmm_vdev_begin(struct vmm_vdev *v);
void vmm_vdev_end(struct vmm_vdev *v);
/* The configuration has changed by itself. */
void vmm_vdev_changed(struct vmm_vdev *v);

#endif
