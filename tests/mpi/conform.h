/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Checks of MPI under our launcher, for any MPI and any number of ranks from two on. Each function
 * is called by all ranks, and says what is wrong by CHECK; what a rank finds ends the job.
 */
#ifndef CONFORM_H
#define CONFORM_H

#include <mpi.h>
#include <stdio.h>

extern int rank, size;

#define CHECK(good)                                                                          \
	do {                                                                                 \
		if (!(good)) {                                                               \
			fprintf(stderr, "rank %d: %s:%d: %s\n", rank, __FILE__, __LINE__, #good); \
			MPI_Abort(MPI_COMM_WORLD, 99);                                       \
		}                                                                            \
	} while (0)

/* conform_messages.c */
void check_modes(void);
void check_matching(void);
void check_requests(void);
void check_types(void);
void check_pack(void);
void check_big(void);

/* conform_groups.c */
void check_collectives(void);
void check_vectors(void);
void check_nonblocking(void);
void check_groups(void);
void check_split(void);
void check_cart(void);
void check_graph(void);
void check_intercomm(void);
void check_attributes(void);
void check_errors(void);

/* conform_memory.c */
void check_fence(void);
void check_lock(void);
void check_doubles(void);
void check_dynamic(void);
void check_post(void);
void check_shared(void);
void check_file(void);
void check_threads(void);

#endif
