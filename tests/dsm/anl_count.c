/* SPDX-License-Identifier: BSD-3-Clause */
/* The second file of anl.c. */
EXTERN_ENV

#include "tests/dsm/anl.h"

void count_items(struct item *list)
{
	long n = 0;

	for (; list; list = list->next)
		n++;
	LOCK(gm->idlock)
	gm->counted += n;
	UNLOCK(gm->idlock)
}
