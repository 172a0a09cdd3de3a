/* SPDX-License-Identifier: BSD-3-Clause */
/* What the files of libgpvm3 share: who is in a group. */
#ifndef PVMI_GROUP_H
#define PVMI_GROUP_H

#include "libdvm/pvm3/pvm.h"

/* A group at one time: tids by instance, 0 where there is a hole. */
struct pvmi_members {
	int *tids;
	int n;
};

/* 0, or PvmNullGroup for a name that is none. */
int pvmi_group_name(const char *group);
/* Enrols, looks at the name, asks the service for OP. Its code. */
int pvmi_group_ask(int op, const char *group, int a);

/* Who is in GROUP, from what is frozen or from the service. 0 or a code; free it. */
int pvmi_members_get(struct pvmi_members *m, const char *group);
void pvmi_members_free(struct pvmi_members *m);
/* The instance of TID, or PvmNotInGroup. */
int pvmi_members_inst(const struct pvmi_members *m, int tid);
/* The tid of INST, or PvmNoInst. */
int pvmi_members_tid(const struct pvmi_members *m, int inst);
/* How many there are, holes not counted. */
int pvmi_members_size(const struct pvmi_members *m);

/*
 * Groups that do not change any more are known here and the service need not be asked. NULL where
 * GROUP is none of them; lent until it is thawed.
 */
const struct pvmi_members *pvmi_frozen_get(const char *group);
/* Takes the tids over, also when it fails. 0 or PvmNoMem. */
int pvmi_frozen_add(const char *group, struct pvmi_members *m);
void pvmi_frozen_remove(const char *group);

#endif
