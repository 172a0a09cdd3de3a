/* SPDX-License-Identifier: BSD-3-Clause */
/* Tables of `dvm guest top` from answers made up here. */
#include <stdlib.h>

#include "daemon/cli/top.h"
#include "tests/unit/cm.h"

static json_t *parse(const char *text)
{
	json_error_t err;
	json_t *j = text ? json_loads(text, 0, &err) : NULL;

	if (text && !j)
		fail_msg("%s", err.text);
	return j;
}

static void shows(const char *before, const char *now, const char *expected)
{
	json_t *was = parse(before), *is = parse(now);
	char *text = NULL;
	size_t n = 0;
	FILE *f = open_memstream(&text, &n);

	assert_int_equal(cli_top_print(f, "box", was, is), 0);
	fclose(f);
	assert_string_equal(text, expected);
	free(text);
	json_decref(was);
	json_decref(is);
}

#define ONE(ns, hlt, io, halted)                                                                   \
	"{'state':'running','guest_ns':" #ns ",'memory':1048576,'cpus':[{'cpu':0,'exits':{'hlt':" #hlt  \
	",'io':" #io "},'injected':20,'timer_fired':10,'kicks':5,'halt_ns':" #halted "}]}"

/* As it is said above, with quotes of JSON. */
static const char *quoted(const char *text, char out[4096])
{
	size_t i = 0;

	for (; text[i] && i < 4095; i++)
		out[i] = text[i] == '\'' ? '"' : text[i];
	out[i] = 0;
	return out;
}

static void a_guest_on_one_host(void **state)
{
	char now[4096], before[4096];

	shows(NULL, quoted(ONE(2000000000, 30, 10, 500000000), now),
	      "guest box: running, up 2s, 1 MiB\n\n"
	      "CPU  HOST  BUSY  EXITS/S  INTERRUPTS/S  TIMER/S  KICKS/S\n"
	      "  0  -      75%       20            10        5        2\n");
	shows(quoted(ONE(2000000000, 30, 10, 500000000), before),
	      quoted(ONE(4000000000, 50, 10, 2500000000), now),
	      "guest box: running, up 4s, 1 MiB\n\n"
	      "CPU  HOST  BUSY  EXITS/S  INTERRUPTS/S  TIMER/S  KICKS/S\n"
	      "  0  -       0%       10             0        0        0\n");
}

#define SHARE(host, reads, times, hot)                                                             \
	"'share':{'host':'" host "','read_faults':" #reads ",'write_faults':7,'pages_sent':3,"     \
	"'interrupts_sent':2,'accesses_sent':1,'pages_here':256,'pages_writable':128,"             \
	"'fault_times':[" times "],'hot':[" hot "]}"
#define HOT(address, moves, by) "{'address':" #address ",'moves':" #moves ",'by':'" by "'}"

static void a_guest_over_two_hosts(void **state)
{
	char now[4096], before[4096];

	shows(quoted("{'guest_ns':1000000000,'cpus':[]," SHARE("a", 100, "[1023,5],[2047,5]",
							       HOT(4096, 50, "b")) ",'hosts':[{'cpus':[]}]}",
		     before),
	      quoted("{'state':'running','guest_ns':2000000000,'memory':4096,'cpus':[]," SHARE(
			     "a", 150, "[1023,15],[2047,5],[4095,10]",
			     HOT(4096, 60, "b") "," HOT(8192, 20, "b")) ",'hosts':[{'cpus':[]," SHARE(
			     "b", 5, "", "{'rip':'0xffffffff81000000','address':4096,'moves':30,'by':'a'}") "},null]}",
		     now),
	      "guest box: running, up 2s, 4 KiB\n\n"
	      "CPU  HOST  BUSY  EXITS/S  INTERRUPTS/S  TIMER/S  KICKS/S\n"
	      "\n"
	      "HOST  READS/S  WRITES/S  P50  P99  PAGES/S  IPIS/S  DEVICES/S   HERE  WRITABLE\n"
	      "a          50         0  1us  4us        0       0          0  1 MiB   512 KiB\n"
	      "b           5         7    -    -        3       2          1  1 MiB   512 KiB\n"
	      "\n"
	      "PAGE    MOVES/S  TO  AT\n"
	      "0x1000       30  a   0xffffffff81000000\n"
	      "0x2000       20  b   -\n");
}

/* Host b has not answered before: what it tells now is of all its time, and no rate. */
static void a_host_that_answers_again(void **state)
{
	char now[4096], before[4096];

	shows(quoted("{'guest_ns':1000000000,'cpus':[]," SHARE("a", 100, "", "") ",'hosts':[null]}",
		     before),
	      quoted("{'state':'running','guest_ns':2000000000,'memory':4096,'cpus':[]," SHARE(
			     "a", 150, "", HOT(8192, 20, "b")) ",'hosts':[{'cpus':[]," SHARE(
			     "b", 5000, "[1023,5]", HOT(4096, 3000, "a")) "}]}",
		     now),
	      "guest box: running, up 2s, 4 KiB\n\n"
	      "CPU  HOST  BUSY  EXITS/S  INTERRUPTS/S  TIMER/S  KICKS/S\n"
	      "\n"
	      "HOST  READS/S  WRITES/S  P50  P99  PAGES/S  IPIS/S  DEVICES/S   HERE  WRITABLE\n"
	      "a          50         0    -    -        0       0          0  1 MiB   512 KiB\n"
	      "b           -         -    -    -        -       -          -  1 MiB   512 KiB\n"
	      "\n"
	      "PAGE    MOVES/S  TO  AT\n"
	      "0x2000       20  b   -\n");
}

#define CPU(n, io, halted)                                                                         \
	"{'cpu':" #n ",'exits':{'io':" #io "},'injected':0,'timer_fired':0,'kicks':0,'halt_ns':" #halted \
	"}"
#define WHOLE(ns, cpus, others)                                                                    \
	"{'state':'running','guest_ns':" #ns ",'memory':4096,'cpus':[" cpus "],'hosts':[{'cpus':["  \
	others "]}]}"

/* CPU 0 has gone to the other host, CPU 1 has stayed. */
static void cpus_that_move(void **state)
{
	char now[4096], before[4096];

	shows(quoted(WHOLE(1000000000, CPU(0, 900, 900000000) "," CPU(1, 100, 500000000), CPU(2, 7, 0)),
		     before),
	      quoted(WHOLE(2000000000, CPU(1, 130, 750000000), CPU(0, 950, 950000000) "," CPU(2, 9, 0)), now),
	      "guest box: running, up 2s, 4 KiB\n\n"
	      "CPU  HOST  BUSY  EXITS/S  INTERRUPTS/S  TIMER/S  KICKS/S\n"
	      "  1  -      75%       30             0        0        0\n"
	      "  0  -        -        -             -        -        -\n"
	      "  2  -     100%        2             0        0        0\n");
}

static void whatever_comes_is_shown(void **state)
{
	static const char *const odd[] = {
		"{}", "[]", "{'cpus':{},'hosts':7,'share':[]}",
		"{'guest_ns':-5,'memory':'x','cpus':[1,null,{'exits':3}]}",
		"{'share':{'hot':[{'address':-1,'moves':5}],'fault_times':[[1],[-5,-5],7,[]]}}",
	};
	char text[4096], *out = NULL;
	size_t n = 0;

	for (size_t i = 0; i < sizeof odd / sizeof odd[0]; i++) {
		json_t *j = json_loads(quoted(odd[i], text), 0, NULL);
		FILE *f = open_memstream(&out, &n);
		assert_int_equal(cli_top_print(f, "box", j, j), 0);
		fclose(f);
		free(out);
		json_decref(j);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_guest_on_one_host),
		cmocka_unit_test(a_guest_over_two_hosts),
		cmocka_unit_test(a_host_that_answers_again),
		cmocka_unit_test(cpus_that_move),
		cmocka_unit_test(whatever_comes_is_shown),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
