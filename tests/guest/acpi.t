#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
# The firmware tables, disassembled by ACPICA's own compiler and compiled again.
set -u
here=$(cd "$(dirname "$0")" && pwd)
build=${DVM_BUILD:-$here/../../build}
# shellcheck source=tests/tap.sh
. "$here/../tap.sh"
command -v iasl > /dev/null || skip_all "iasl is missing (Debian: acpica-tools)"
temp=$(mktemp -d)
trap 'rm -rf "$temp"' EXIT

ok "the tables are written" "$build/tests/unit/test_vmm_acpi" "$temp"
cd "$temp" || exit 1
for table in XSDT FACP APIC SRAT SLIT MCFG DSDT; do
	iasl -d "$table.aml" > "$table.log" 2>&1
	is "$table is understood without a complaint" \
		"$(grep -iE '(error|warning|invalid|unknown|incorrect|mismatch)' "$table.log" "$table.dsl" |
			grep -viE '0 errors|error (source|interrupt)')" ""
done
ok "the DSDT compiles again" iasl -tc -p again DSDT.dsl
like "... without a warning" "$(iasl -tc -p again DSDT.dsl 2>&1)" "*0 Errors, 0 Warnings*"
for word in 'PNP0501' 'LNRO0005' 'PNP0A08' '_S5' '0x000003F8\|0x03F8'; do
	ok "the DSDT has $word" grep -q "$word" DSDT.dsl
done
ok "two processors are near each other" grep -q 'Proximity Domain.*: 00000001' SRAT.dsl
tap_end
