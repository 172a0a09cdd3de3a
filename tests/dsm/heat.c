/* SPDX-License-Identifier: BSD-3-Clause */
/* Heat in a plate by successive over-relaxation, red and black points in turn: strips of rows. */
#include "tests/dsm/app.h"
#include "tests/dsm/plate.h"

MAIN_ENV

struct common {
	LOCKDEC(lock)
	BARDEC(bar)
	int ids;
	double seconds;
};

static struct app_options o;
static struct common *common;
static double *plate;

static void work(void)
{
	LOCK(common->lock)
	int self = common->ids++;
	UNLOCK(common->lock)
	struct app_share s = app_share(o.n, self, o.p);

	BARRIER(common->bar, o.p)
	double start = app_now();
	for (long i = 0; i < o.i; i++)
		for (int colour = 0; colour < 2; colour++) {
			for (long y = s.first + 1; y <= s.last; y++)
				plate_row(plate, o.n, y, colour);
			BARRIER(common->bar, o.p)
		}
	if (self == 0)
		common->seconds = app_now() - start;
}

static int same_as_alone(void)
{
	double *alone = malloc(plate_bytes(o.n));

	plate_fill(alone, o.n);
	for (long i = 0; i < o.i; i++)
		for (int colour = 0; colour < 2; colour++)
			for (long y = 1; y <= o.n; y++)
				plate_row(alone, o.n, y, colour);
	int same = memcmp(alone, plate, plate_bytes(o.n)) == 0;
	free(alone);
	return same;
}

int main(int argc, char **argv)
{
	MAIN_INITENV(, 256 << 20)
	o = app_options(argc, argv, 500, 40);
	common = app_alloc(sizeof *common);
	plate = app_alloc(plate_bytes(o.n));
	LOCKINIT(common->lock)
	BARINIT(common->bar, o.p)
	common->ids = 0;
	plate_fill(plate, o.n);
	CREATE(work, o.p)
	WAIT_FOR_END(o.p)
	int rc = app_result("heat", &o, common->seconds, same_as_alone());
	if (rc)
		exit(rc);
	MAIN_END
}
