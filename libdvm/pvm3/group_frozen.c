// SPDX-License-Identifier: BSD-3-Clause
/* Groups that were frozen by this task: pvm_freezegroup(). A few, in a list. */
#include <stdlib.h>
#include <string.h>

#include "libdvm/pvm3/group.h"

struct frozen {
	struct frozen *next;
	struct pvmi_members members;
	int self; /* the task that froze it: another one after pvm_exit() knows nothing of it */
	char name[];
};

/* PVM has no handles; see state.h. */
static struct frozen *all;

static struct frozen **find(const char *group)
{
	struct frozen **at = &all;

	while (*at && ((*at)->self != pvmi_tid() || strcmp((*at)->name, group) != 0))
		at = &(*at)->next;
	return at;
}

const struct pvmi_members *pvmi_frozen_get(const char *group)
{
	struct frozen *f = *find(group);

	return f ? &f->members : NULL;
}

int pvmi_frozen_add(const char *group, struct pvmi_members *m)
{
	size_t len = strlen(group) + 1;
	struct frozen *f = malloc(sizeof(*f) + len);

	if (!f) {
		pvmi_members_free(m);
		return PvmNoMem;
	}
	f->members = *m;
	f->self = pvmi_tid();
	memcpy(f->name, group, len);
	f->next = all;
	all = f;
	*m = (struct pvmi_members){ 0 };
	return 0;
}

void pvmi_frozen_remove(const char *group)
{
	struct frozen **at = find(group), *f = *at;

	if (!f)
		return;
	*at = f->next;
	pvmi_members_free(&f->members);
	free(f);
}
