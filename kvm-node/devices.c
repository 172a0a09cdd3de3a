/* SPDX-License-Identifier: BSD-3-Clause */
#include "kvm-node/devices.h"

#include "libdvm/base/err.h"

static const struct vmm_device_kind *const kinds[] = {
	&vmm_dev_legacy, &vmm_dev_pit, &vmm_dev_rtc, &vmm_dev_pm, &vmm_dev_debug, &vmm_dev_serial,
	&vmm_dev_virtio,
};

int vmm_devices_create(const struct vmm_machine *m, struct vmm_device **list, dvm_error_t *err)
{
	for (size_t i = 0; i < sizeof kinds / sizeof kinds[0]; i++) {
		dvm_error_t why = { 0 };
		/* A machine has one of each, on its first host, but for buses. */
		if (m->host && kinds[i] != &vmm_dev_virtio)
			continue;
		int rc = kinds[i]->create(m, list, &why);
		if (rc < 0 && why.code)
			return dvmi_error_set(err, rc, "%s: %s", kinds[i]->name, why.text);
		if (rc < 0)
			return dvmi_error_code(err, rc, "%s", kinds[i]->name);
	}
	return 0;
}

void vmm_devices_destroy(struct vmm_device *list)
{
	for (struct vmm_device *next; list; list = next) {
		next = list->next;
		list->ops->destroy(list);
	}
}
