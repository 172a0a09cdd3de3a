/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The files of an image in qcow2, and the program that serves them: qemu-storage-daemon.
 *
 * An image is input, and so is what has been in it: no name in it is followed. Its backing files are
 * those we were told of, each of a format that is named; one whose data are in another file is
 * refused. The program is given them open, and can open nothing else but what programs are made of.
 */
#ifndef VMM_DISK_IMAGES_H
#define VMM_DISK_IMAGES_H

#include <stdbool.h>
#include <sys/types.h>

#include "dvm/error.h"
#include "kvm-node/helper.h"
#include "kvm-node/vmm.h"

struct vmm_disk_images {
	unsigned n; /* the image, and what is below it */
	int fd[1 + VMM_BACKING_MAX];
	bool raw[1 + VMM_BACKING_MAX];
	bool ro;
	uid_t uid; /* whose the image is */
	gid_t gid;
};

int vmm_disk_images_open(struct vmm_disk_images *im, const struct vmm_disk_config *c, bool ro,
			 dvm_error_t *err);
void vmm_disk_images_close(struct vmm_disk_images *im);

/*
 * Serves the image as NBD's "disk" to who connects to LISTENER. A monitor of root's gives it the
 * user whose the image is; capabilities, networks and other files it has none, as far as this host can do
 * that.
 */
int vmm_disk_images_serve(const struct vmm_disk_images *im, struct vmm_helper *h, int listener,
			  int messages);

#endif
