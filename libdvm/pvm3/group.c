// SPDX-License-Identifier: BSD-3-Clause
/*
 * Groups: who is in them, and meeting. The service keeps them (PVMI_GROUP_…), so there is no task
 * that serves groups; a call is one question to it, and none for a group that was frozen.
 */
#include <stdlib.h>

#include "libdvm/proto/pvm.h"
#include "libdvm/pvm3/group.h"

int pvmi_group_name(const char *group)
{
	return group && *group ? 0 : PvmNullGroup;
}

int pvmi_group_ask(int op, const char *group, int a)
{
	int rc = pvmi_group_name(group);

	if (rc == 0)
		rc = pvmi_enrol();
	return rc < 0 ? rc : pvmi_ask_group(op, group, a, 0, NULL, NULL);
}

/* ---- members ---- */

/* What is frozen, as it is: tids stay whose they are. */
static const struct pvmi_members *frozen(const char *group)
{
	return pvmi_group_name(group) == 0 ? pvmi_frozen_get(group) : NULL;
}

static int copy(struct pvmi_members *to, const struct pvmi_members *from)
{
	to->tids = calloc((size_t)from->n, sizeof(*to->tids));
	if (!to->tids)
		return PvmNoMem;
	to->n = from->n;
	for (int i = 0; i < from->n; i++)
		to->tids[i] = from->tids[i];
	return 0;
}

int pvmi_members_get(struct pvmi_members *m, const char *group)
{
	const struct pvmi_members *known = frozen(group);
	int rc;

	*m = (struct pvmi_members){ 0 };
	if (known)
		return copy(m, known);
	rc = pvmi_group_name(group);
	if (rc == 0)
		rc = pvmi_enrol();
	if (rc == 0)
		rc = pvmi_ask_group(PVMI_GROUP_MEMBERS, group, 0, 0, &m->tids, &m->n);
	return rc < 0 ? rc : 0;
}

void pvmi_members_free(struct pvmi_members *m)
{
	free(m->tids);
	*m = (struct pvmi_members){ 0 };
}

int pvmi_members_inst(const struct pvmi_members *m, int tid)
{
	for (int i = 0; i < m->n; i++)
		if (m->tids[i] == tid && tid != 0)
			return i;
	return PvmNotInGroup;
}

int pvmi_members_tid(const struct pvmi_members *m, int inst)
{
	return inst >= 0 && inst < m->n && m->tids[inst] != 0 ? m->tids[inst] : PvmNoInst;
}

int pvmi_members_size(const struct pvmi_members *m)
{
	int size = 0;

	for (int i = 0; i < m->n; i++)
		size += m->tids[i] != 0;
	return size;
}

/* ---- calls ---- */

int pvm_joingroup(char *group)
{
	/* A frozen group has no room; who is in it has been told so by being in it. */
	int rc = frozen(group) ? PvmNotInGroup : pvmi_group_ask(PVMI_GROUP_JOIN, group, 0);

	return pvmi_result("pvm_joingroup", rc);
}

int pvm_lvgroup(char *group)
{
	int rc = pvmi_group_ask(PVMI_GROUP_LEAVE, group, 0);

	if (rc == 0)
		pvmi_frozen_remove(group);
	return pvmi_result("pvm_lvgroup", rc);
}

int pvm_getinst(char *group, int tid)
{
	const struct pvmi_members *known = frozen(group);
	int rc =
		known ? pvmi_members_inst(known, tid) : pvmi_group_ask(PVMI_GROUP_INST, group, tid);

	return pvmi_result("pvm_getinst", rc);
}

int pvm_gettid(char *group, int inst)
{
	const struct pvmi_members *known = frozen(group);
	int rc =
		known ? pvmi_members_tid(known, inst) : pvmi_group_ask(PVMI_GROUP_TID, group, inst);

	return pvmi_result("pvm_gettid", rc);
}

int pvm_gsize(char *group)
{
	const struct pvmi_members *known = frozen(group);
	int rc = known ? pvmi_members_size(known) : pvmi_group_ask(PVMI_GROUP_SIZE, group, 0);

	return pvmi_result("pvm_gsize", rc);
}

int pvm_barrier(char *group, int count)
{
	return pvmi_result("pvm_barrier", pvmi_group_ask(PVMI_GROUP_BARRIER, group, count));
}

/* Waits until the group has SIZE members (-1: those it has); then nobody comes any more. */
int pvm_freezegroup(char *group, int size)
{
	struct pvmi_members m = { 0 };
	int rc;

	if (frozen(group))
		return pvmi_result("pvm_freezegroup", PvmDupGroup);
	rc = pvmi_group_name(group);
	if (rc == 0)
		rc = pvmi_enrol();
	if (rc == 0 && size < -1)
		rc = PvmMismatch;
	if (rc == 0)
		rc = pvmi_ask_group(PVMI_GROUP_FREEZE, group, size, 0, &m.tids, &m.n);
	if (rc >= 0)
		size = pvmi_members_size(&m);
	if (rc >= 0)
		rc = pvmi_frozen_add(group, &m);
	pvmi_members_free(&m);
	return pvmi_result("pvm_freezegroup", rc < 0 ? rc : size);
}

/* To all members but ourselves; we need not be one. */
int pvm_bcast(char *group, int tag)
{
	struct pvmi_members m;
	int rc = pvmi_members_get(&m, group), n = 0;

	for (int i = 0; rc == 0 && i < m.n; i++)
		if (m.tids[i] != 0 && m.tids[i] != pvmi_tid())
			m.tids[n++] = m.tids[i];
	if (rc == 0)
		rc = n > 0 ? pvmi_send_current(m.tids, n, tag, pvm_getcontext()) : PvmNoInst;
	pvmi_members_free(&m);
	return pvmi_result("pvm_bcast", rc < 0 ? rc : 0);
}
