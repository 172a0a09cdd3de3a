/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Heat spreads on a plate: `heat [OPTION]...`. Each rank computes one block of the plate and
 * swaps the cells along its border with its neighbours before each step. The edge of the plate
 * lets no heat through, so all of it must still be there at the end.
 */
#include <errno.h>
#include <getopt.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>

#include <dvm/dvm.h>
#include <dvm/coll.h>

#include "examples/grid/frame.h"
#include "examples/grid/plate.h"
#include "examples/grid/report.h"
#include "examples/util.h"

struct options {
	int w, h, steps, every;
	const char *out;
	bool check;
};

static const char usage[] =
	"usage: heat [OPTION]...\n"
	"  -w, --width=CELLS   of the plate (400)\n"
	"  -h, --height=CELLS  (300)\n"
	"  -s, --steps=N       how long (1000)\n"
	"  -o, --out=DIR       write pictures DIR/heat-STEP.png; DIR is made if missing\n"
	"  -e, --every=N       a picture every N steps and at the end (100)\n"
	"  -c, --check         compare with a serial run\n";

/* Returns 0, 1 where help was asked for, -EINVAL. */
static int parse(struct options *o, int argc, char **argv)
{
	static const struct option longs[] = {
		{ "width", 1, NULL, 'w' }, { "height", 1, NULL, 'h' },
		{ "steps", 1, NULL, 's' }, { "out", 1, NULL, 'o' },
		{ "every", 1, NULL, 'e' }, { "check", 0, NULL, 'c' },
		{ "help", 0, NULL, 'H' },  { 0 },
	};
	bool good = true;
	int c;

	*o = (struct options){ .w = 400, .h = 300, .steps = 1000, .every = 100 };
	while (good && (c = getopt_long(argc, argv, "w:h:s:o:e:c", longs, NULL)) != -1) {
		if (c == 'w')
			good = int_option("width", 1, 30000, &o->w);
		else if (c == 'h')
			good = int_option("height", 1, 30000, &o->h);
		else if (c == 's')
			good = int_option("steps", 0, INT_MAX, &o->steps);
		else if (c == 'e')
			good = int_option("every", 1, INT_MAX, &o->every);
		else if (c == 'o')
			o->out = optarg;
		else if (c == 'c')
			o->check = true;
		else
			return c == 'H' ? 1 : -EINVAL;
	}
	return good && optind == argc ? 0 : -EINVAL;
}

/* Rank 0 writes a picture of all blocks, and all learn whether it could. */
static int picture(const struct options *o, const struct block *b, double *whole, int step)
{
	int rc = block_collect(b, whole), told = 0;
	char path[PATH_MAX];

	if (rc < 0)
		return rc;
	if (whole) {
		snprintf(path, sizeof path, "%s/heat-%06d.png", o->out, step);
		told = frame_write(path, whole, o->w, o->h, 1) < 0 ? TOLD : 0;
	}
	rc = dvm_bcast(b->group, &told, sizeof told, 0);
	return rc < 0 ? rc : told;
}

/* From the start to the last step; WHOLE is rank 0's place for pictures. */
static int spread(const struct options *o, struct block *b, double *whole)
{
	int rc = 0;

	for (int step = 0; rc == 0; step++) {
		if (o->out && (step % o->every == 0 || step == o->steps))
			rc = picture(o, b, whole, step);
		if (rc < 0 || step == o->steps)
			break;
		rc = block_exchange(b);
		plate_step(b);
	}
	return rc;
}

static int run(dvm_t *d, const struct options *o, struct block *b)
{
	double *whole = NULL, total[2], start;
	bool root = dvm_rank(d) == 0;
	int rc;

	if (root) {
		whole = calloc((size_t)o->w * (size_t)o->h, sizeof *whole);
		if (!whole)
			return -ENOMEM;
		if (o->out)
			mkdir(o->out, 0777); /* the first picture says if that did not help */
	}
	plate_start(b);
	total[0] = plate_total(b);
	rc = block_exchange(b); /* meets the neighbours, so that the clock sees computing only */
	start = seconds();
	if (rc == 0)
		rc = spread(o, b, whole);
	total[1] = plate_total(b);
	if (rc == 0)
		rc = dvm_allreduce(b->group, total, total, 2, DVM_DOUBLE, DVM_SUM);
	if (rc == 0 && root)
		rc = report(d, b, o->steps, seconds() - start, total);
	if (rc == 0 && o->check)
		rc = block_collect(b, whole);
	if (rc == 0 && o->check && root)
		rc = compare(b, o->steps, whole);
	free(whole);
	return rc;
}

static int make_and_run(dvm_t *d, const struct options *o)
{
	struct block b;
	int rc = block_make(&b, dvm_world(d), o->w, o->h);

	if (rc == 0)
		rc = run(d, o, &b);
	if (rc == -EDOM && dvm_rank(d) == 0)
		fprintf(stderr, "heat: %d ranks cannot share %d x %d cells\n", dvm_size(d), o->w,
			o->h);
	else if (rc < 0 && rc != -EDOM && rc != TOLD)
		fprintf(stderr, "heat: rank %d: %s\n", dvm_rank(d), dvm_strerror(rc));
	block_free(&b);
	return rc;
}

int main(int argc, char **argv)
{
	struct options o;
	dvm_error_t err;
	dvm_t *d;
	int rc, code;

	if (dvm_open(&d, NULL, &err) < 0) {
		fprintf(stderr, "heat: %s\n", err.text);
		return 1;
	}
	opterr = dvm_rank(d) == 0; /* one complaint is enough */
	rc = parse(&o, argc, argv);
	code = rc < 0 ? 2 : 0;
	if (rc != 0 && dvm_rank(d) == 0)
		fputs(usage, rc < 0 ? stderr : stdout);
	if (rc == 0)
		code = make_and_run(d, &o) < 0;
	return dvm_close(d) < 0 && code == 0 ? 1 : code;
}
