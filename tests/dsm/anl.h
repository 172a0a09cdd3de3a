/* SPDX-License-Identifier: BSD-3-Clause */
/* What anl.c and anl_count.c have in common. */
#ifndef TESTS_DSM_ANL_H
#define TESTS_DSM_ANL_H

struct item {
	struct item *next;
	long value;
};

struct global_memory {
	LOCKDEC(idlock)
	LOCKDEC(listlock)
	ALOCKDEC(locks, 4)
	BARDEC(start)
	PAUSEDEC(go)
	GSDEC(loop)
	int id;
	struct item *list;
	long counts[4];
	int done[100];
	long counted;
};

extern struct global_memory *gm;

void slave_start(void);
/* Adds the length of LIST to what was counted. */
void count_items(struct item *list);

#endif
