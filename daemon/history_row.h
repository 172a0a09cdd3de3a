/* SPDX-License-Identifier: BSD-3-Clause */
/* A job's record as a row of the history. Pure. */
#ifndef DVMD_HISTORY_ROW_H
#define DVMD_HISTORY_ROW_H

#include "libdvm/proto/pb.h"

/*
 * R as it ended; END (nullable: as R says itself) and WALL (then: 0) where R is still running. The
 * caller frees with dvmi_pb_free(). NULL: out of memory.
 */
Pb__HistoryRow *dvmd_history_row(const Pb__JobRecord *r, const Pb__JobChange *end, uint64_t wall);

/* "done", "failed", …: what `--state` takes. */
const char *dvmd_history_state(Pb__JobHow how, int exit_code);

#endif
