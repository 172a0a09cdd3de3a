/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Whether a page is one of a guest's page tables: found by going down from the tables that
 * processors use. What a page holds does not say it: a counter looks like an entry at times. Pure.
 * The format is that of x86 with entries of 8 bytes (AMD64 Architecture Programmer's Manual, volume
 * 2, chapter 5).
 */
#ifndef SHM_TABLES_H
#define SHM_TABLES_H

#include <stdbool.h>
#include <stdint.h>

#include "shm/dsm.h"

struct dsm_tables {
	/* The page in which FRAME is; none: any other number. */
	uint64_t (*page_of)(void *arg, uint64_t frame);
	/* The 512 words of PAGE, which processors write all the time; NULL: they are not here. */
	const uint64_t *(*words)(void *arg, uint64_t page);
	void *arg;
};

/* Whether processors that use one of the N at ROOT walk PAGE, as far as can be said with what is
 * here. */
bool dsm_tables_have(const struct dsm_tables *t, const struct dsm_root *root, unsigned n,
		     uint64_t page);

#endif
