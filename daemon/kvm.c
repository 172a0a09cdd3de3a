/* SPDX-License-Identifier: BSD-3-Clause */
#include "daemon/kvm.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/kvm.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>

#include "libdvm/base/cleanup.h"

#define PATH_SHOWN 160

static void look(struct dvmd_kvm *k, const char *device)
{
	/* It may be anything that somebody has configured: nothing is waited for. */
	cleanup_fd int fd = open(device, O_RDWR | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);

	if (fd < 0)
		snprintf(k->why, sizeof k->why, "%.*s: %s", PATH_SHOWN, device, strerror(errno));
	else if (ioctl(fd, KVM_GET_API_VERSION, 0) != KVM_API_VERSION)
		snprintf(k->why, sizeof k->why, "%.*s: not KVM, or of another age", PATH_SHOWN, device);
	else
		k->usable = true;
}

bool dvmd_kvm_look(struct dvmd_kvm *kvm, const char *device)
{
	struct dvmd_kvm now = { 0 };

	look(&now, device);
	bool other = now.usable != kvm->usable || strcmp(now.why, kvm->why) != 0;
	*kvm = now;
	return other;
}
