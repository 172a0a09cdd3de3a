/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Stands in for libFuzzer: runs the target on each file of its corpus and on seeded mutations of
 * it. fuzz_NAME reads tests/fuzz/corpus/NAME below $DVM_SRC, or the files given as arguments. TAP.
 */
#include <dirent.h>
#include <limits.h>
#include <stdbool.h>
#include <string.h>

#include "libdvm/base/cleanup.h"
#include "libdvm/base/rng.h"
#include "tests/fuzz/fuzz.h"

#define MUTATIONS 4000
#define INPUT_MAX (1u << 20)

struct input {
	uint8_t data[INPUT_MAX];
	size_t size;
};

/* An exact copy, so that a sanitizer sees a byte read too far. */
static void run(const uint8_t *data, size_t size)
{
	uint8_t *exact = malloc(size ? size : 1);

	memcpy(exact, data, size);
	LLVMFuzzerTestOneInput(exact, size);
	free(exact);
}

static void mutate(struct input *in, struct dvmi_rng *rng)
{
	size_t at = in->size ? dvmi_rng_below(rng, in->size) : 0;

	switch (dvmi_rng_below(rng, 5)) {
	case 0:
		in->data[at] ^= (uint8_t)(1u << dvmi_rng_below(rng, 8));
		break;
	case 1:
		in->data[at] = (uint8_t)dvmi_rng_next(rng);
		break;
	case 2:
		in->data[at] = 0xff;
		break;
	case 3: /* cut */
		in->size = at;
		break;
	default: /* a piece twice */
		if (in->size * 2 - at <= INPUT_MAX) {
			memmove(in->data + in->size, in->data + at, in->size - at);
			in->size += in->size - at;
		}
	}
}

static void run_mutations(const struct input *seed, uint64_t number)
{
	struct input *in = malloc(sizeof *in);
	struct dvmi_rng rng;

	dvmi_rng_seed(&rng, number);
	for (int i = 0; i < MUTATIONS; i++) {
		memcpy(in->data, seed->data, seed->size);
		in->size = seed->size;
		for (uint64_t n = 1 + dvmi_rng_below(&rng, 6); n; n--)
			mutate(in, &rng);
		run(in->data, in->size);
	}
	free(in);
}

static bool run_file(const char *path, uint64_t number)
{
	cleanup_file FILE *f = fopen(path, "rb");
	struct input *in = malloc(sizeof *in);

	if (f && in) {
		in->size = fread(in->data, 1, sizeof in->data, f);
		run(in->data, in->size);
		run_mutations(in, number);
	}
	free(in);
	return f != NULL;
}

static void report(int n, bool ok, const char *name)
{
	printf("%s %d - %s and %d mutations\n", ok ? "ok" : "not ok", n, name, MUTATIONS);
	fflush(stdout);
}

static int run_directory(const char *dir)
{
	struct dirent **names = NULL;
	char path[PATH_MAX + 256];
	int bad = 0, number = 0;

	int n = scandir(dir, &names, NULL, alphasort);
	for (int i = 0; i < n; i++) {
		if (names[i]->d_name[0] != '.') {
			snprintf(path, sizeof path, "%s/%s", dir, names[i]->d_name);
			bool ok = run_file(path, (uint64_t)++number);
			report(number, ok, names[i]->d_name);
			bad += !ok;
		}
		free(names[i]);
	}
	free(names);
	printf("1..%d\n", number);
	return bad || number == 0;
}

int main(int argc, char **argv)
{
	const char *src = getenv("DVM_SRC"), *name = strstr(argv[0], "fuzz_");
	char dir[PATH_MAX];
	int bad = 0;

	for (const char *p = name; p && (p = strstr(p + 1, "fuzz_"));)
		name = p; /* the last one: the directories may be named so, too */
	for (int i = 1; i < argc; i++) {
		bool ok = run_file(argv[i], (uint64_t)i);
		report(i, ok, argv[i]);
		bad += !ok;
	}
	if (argc > 1)
		return bad != 0;
	snprintf(dir, sizeof dir, "%s/tests/fuzz/corpus/%s", src ? src : ".", name ? name + 5 : "");
	return run_directory(dir);
}
