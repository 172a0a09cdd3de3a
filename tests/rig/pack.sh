# SPDX-License-Identifier: BSD-3-Clause
# shellcheck shell=bash
# Builds what an emulated host boots from: initramfs archives, laid one behind the other.
# Sourced by `rig`, which sets these:
: "${here:?this directory}"
kver=     # the kernel's version
tool_bin= # rigtool

# Programs worth having in a host, where this machine has them. busybox stands in for the rest, but
# not as the shell: it would run its own ip, tc and ps whatever else there is.
readonly PACK_TOOLS="sh bash ip tc ss bridge pgrep pkill ps strace taskset numactl setpriv
	ldconfig getent"
# Loaded at boot, where they are not built in; their dependencies follow by themselves.
readonly PACK_BOOT_MODULES="virtio_pci virtio_net kvm kvm-amd"
# There for modprobe, if the kernel has them.
readonly PACK_MORE_MODULES="tun veth bridge dummy sch_netem sch_tbf vhost_net loop virtio_blk"

# The shared libraries (and the loader) that programs or libraries need, one path a line.
pack_libraries() # FILE...
{
	ldd "$@" 2>/dev/null |
		awk '$2 == "=>" && $3 ~ /^\// { print $3 } $1 ~ /^\// && $2 ~ /^\(/ { print $1 }' | sort -u
}

# Libraries that are opened by name at run time, so that no ldd shows them.
pack_opened_libraries()
{
	ldconfig -p | awk '$1 ~ /^(libfabric\.so\.1|libgcc_s\.so\.1|libnss_files\.so\.2)$/ &&
		/x86-64/ { print $NF }'
}

# Copies files of this machine to the same place below a root, following symbolic links.
pack_copy() # ROOT; paths on stdin
{
	while read -r path; do
		printf '%s/%s\n' "$(realpath "${path%/*}")" "${path##*/}"
	done | sort -u | sed 's,^/,,' | tar -C / -chf - -T - | tar -C "$1" -xf -
}

# The programs and libraries below a root that the loader runs.
pack_elf_files() # ROOT
{
	find "$1" -type f \( -perm -100 -o -name '*.so*' \) -print0 |
		while IFS= read -r -d '' f; do
			read -r -N 4 magic 2>/dev/null < "$f"
			[ "$magic" != $'\x7fELF' ] || printf '%s\n' "$f"
		done
}

# Adds the libraries that what is below a root needs and neither it nor a list has.
pack_add_libraries() # ROOT LIST
{
	local root=$1 list=$2 files libdirs path
	mapfile -t files < <(pack_elf_files "$root")
	[ ${#files[@]} -gt 0 ] || return 0
	libdirs=$(find "$root" -name '*.so*' -printf '%h\n' | sort -u | paste -sd:)
	LD_LIBRARY_PATH=$libdirs pack_libraries "${files[@]}" | while read -r path; do
		case $path in
		"$root"/*) continue ;;
		esac
		grep -qxF "${path##*/}" "$list" || printf '%s\n' "$path"
	done | pack_copy "$root"
}

# Debian's /bin, /sbin and /lib are links to those below /usr; an archive must not undo that.
pack_merge_usr() # ROOT
{
	local dir
	for dir in bin sbin lib lib64; do
		if [ -d "$1/$dir" ] && [ ! -L "$1/$dir" ]; then
			mkdir -p "$1/usr/$dir"
			cp -a "$1/$dir/." "$1/usr/$dir/"
			rm -rf "${1:?}/$dir"
		fi
	done
}

# Writes the archive of a root, everything owned by root.
pack_archive() # ROOT FILE
{
	(cd "$1" && find . -mindepth 1 -print0 | sort -z | cpio -0 -o -H newc -R 0:0 --quiet) > "$2.new" &&
		mv "$2.new" "$2"
}

# Each module and those it needs, in the order of loading, as paths below /lib/modules/VERSION.
pack_module_paths() # NAME...
{
	local name
	for name in "$@"; do
		awk -v name="${name//[-_]/[-_]}" '
			$1 ~ "/" name "\\.ko(\\.[a-z]+)?:$" {
				for (i = NF; i > 1; i--) print $i
				sub(":", "", $1); print $1
			}' "/lib/modules/$kver/modules.dep"
	done | awk '!seen[$0]++'
}

# Modules go in unpacked: the hosts are slow at that.
pack_modules() # ROOT
{
	local from=/lib/modules/$kver to=$1/usr/lib/modules/$kver path
	# shellcheck disable=SC2086
	pack_module_paths $PACK_BOOT_MODULES $PACK_MORE_MODULES | while read -r path; do
		mkdir -p "$to/${path%/*}"
		case $path in
		*.xz) xz -dc "$from/$path" > "$to/${path%.xz}" ;;
		*.zst) zstd -dqc "$from/$path" > "$to/${path%.zst}" ;;
		*) cp "$from/$path" "$to/$path" ;;
		esac
	done
	# shellcheck disable=SC2086
	pack_module_paths $PACK_BOOT_MODULES | sed "s,\.ko\..*,.ko,;s,^,/lib/modules/$kver/," \
		> "$1/usr/lib/rig/modules"
	sed 's,\.ko\.[a-z]*,.ko,g' "$from/modules.dep" | while read -r path rest; do
		[ ! -e "$to/${path%:}" ] || echo "$path $rest"
	done > "$to/modules.dep"
	cp "$from/modules.alias" "$from/modules.symbols" "$from/modules.builtin" "$to/"
}

pack_etc() # ETC
{
	cat > "$1/passwd" <<-'EOF'
		root:x:0:0:root:/root:/bin/sh
		user:x:1000:1000:an ordinary user:/home/user:/bin/sh
		nobody:x:65534:65534:nobody:/:/usr/sbin/nologin
	EOF
	printf '%s\n' root:x:0: tty:x:5: user:x:1000: nogroup:x:65534: > "$1/group"
	printf '%s\n' 'passwd: files' 'group: files' 'hosts: files' > "$1/nsswitch.conf"
	printf '%s\n' /usr/local/lib /usr/local/lib/x86_64-linux-gnu /usr/lib/x86_64-linux-gnu /usr/lib \
		> "$1/ld.so.conf"
	printf '%s\n' 'NAME="dvm rig"' 'ID=debian' > "$1/os-release"
	printf '%s\n' "export PS1='\\u@\\h:\\w\\\$ '" > "$1/profile"
}

# Everything that does not depend on the tree under test; FILE.libs lists its libraries.
pack_base() # FILE
{
	local root=$1.root tool name paths
	rm -rf "$root"
	mkdir -p "$root"/{dev,proc,sys,run,tmp,root,etc,home/user,var/{lib,log},usr/local} \
		"$root"/usr/{bin,sbin,lib/rig,lib64}
	for name in bin sbin lib lib64; do ln -s "usr/$name" "$root/$name"; done
	ln -s ../run "$root/var/run"
	cp "$(command -v busybox)" "$root/usr/bin/busybox"
	busybox --list | sed '/^busybox$/d' | while read -r name; do
		ln -s busybox "$root/usr/bin/$name"
	done
	ln -s ../bin/busybox "$root/usr/sbin/modprobe" # where the kernel looks for it
	for tool in $PACK_TOOLS; do command -v "$tool"; done > "$1.tools"
	# A tool replaces its applet rather than being written through the link to busybox.
	while read -r tool; do rm -f "$root/usr/bin/${tool##*/}"; done < "$1.tools"
	{ cat "$1.tools"; pack_opened_libraries; } > "$1.paths"
	mapfile -t paths < "$1.paths"
	{ cat "$1.paths"; pack_libraries "$tool_bin" "${paths[@]}"; } | pack_copy "$root"
	pack_modules "$root"
	pack_etc "$root/etc"
	cp "$tool_bin" "$root/usr/lib/rig/rigtool"
	cp "$here/init" "$root/init"
	find "$root" -name '*.so*' -printf '%f\n' | sort -u > "$1.libs"
	pack_archive "$root" "$1"
	rm -rf "$root" "$1.tools" "$1.paths"
}

# What the base was made from; a change of any makes a new one.
pack_base_key()
{
	local tool
	{
		echo "$kver"
		cat "$here/pack.sh" "$here/init" "$tool_bin"
		for tool in $PACK_TOOLS busybox; do command -v "$tool"; done |
			xargs stat -Lc '%n %s %Y'
		pack_opened_libraries | xargs -r stat -Lc '%n %s %Y'
		stat -Lc '%s %Y' /lib64/ld-linux-x86-64.so.2 "/lib/modules/$kver/modules.dep"
	} 2>/dev/null | sha256sum | cut -c1-16
}

# True if the build tree has not changed since FILE was made.
pack_tree_fresh() # BUILD FILE
{
	[ -e "$2" ] &&
		[ -z "$(find "$1" -newer "$2" -type f ! -path '*/tests/*' ! -name '*.log' ! -name '*.trs' \
			-print -quit)" ]
}

# A tree that was configured for another prefix can be used as if it were at home in /usr/local.
pack_at_home() # BUILD ROOT
{
	local root=$2 prefix dir
	prefix=$(sed -n 's/^prefix = //p' "$1/Makefile")
	[ -n "$prefix" ] && [ "$prefix" != /usr ] && [ "$prefix" != /usr/local ] || return 0
	for dir in bin libexec; do
		[ -d "$root$prefix/$dir" ] || continue
		mkdir -p "$root/usr/local/$dir"
		(cd "$root/usr/local/$dir" && for name in "$root$prefix/$dir"/*; do
			ln -sfn "$prefix/$dir/${name##*/}" .
		done)
	done
}

# The built tree as `make install` lays it out, and the libraries it needs.
pack_tree() # BUILD FILE LIST
{
	local root=$2.root
	rm -rf "$root"
	mkdir -p "$root"
	make -s -C "$1" install DESTDIR="$root" > "$2.log" 2>&1 || {
		tail -n 20 "$2.log" >&2
		return 1
	}
	pack_at_home "$1" "$root"
	pack_merge_usr "$root"
	pack_add_libraries "$root" "$3"
	pack_archive "$root" "$2"
	rm -rf "$root"
}

# Puts the programs that libtool has built in the place of the scripts that stand for them in a
# build tree.
pack_unwrap() # ROOT FILE...
{
	local root=$1 file
	for file in "${@:2}"; do
		[ ! -f "${file%/*}/.libs/${file##*/}" ] || cp "${file%/*}/.libs/${file##*/}" "$root$file"
	done
}

# More files: a directory laid over the root, and files of this machine; programs with libraries.
pack_overlay() # FILE LIST DIR [FILE...]
{
	local out=$1 root=$1.root list=$2 dir=$3
	shift 3
	rm -rf "$root"
	mkdir -p "$root"
	[ -z "$dir" ] || cp -a "$dir/." "$root/"
	[ $# -eq 0 ] || printf '%s\n' "$@" | pack_copy "$root"
	pack_unwrap "$root" "$@"
	pack_merge_usr "$root"
	pack_add_libraries "$root" "$list"
	pack_archive "$root" "$out"
	rm -rf "$root"
}

# The kernel out of its self-extracting image, for the emulator to start at once: unpacking inside
# the host takes it a second. Fails where it cannot be done; the image itself serves then.
pack_kernel() # VMLINUZ FILE
{
	local setup offset length magic
	setup=$(od -An -tu1 -j497 -N1 "$1")
	offset=$(od -An -tu4 -j584 -N4 "$1")
	length=$(od -An -tu4 -j588 -N4 "$1")
	offset=$(((setup ? setup : 4) * 512 + 512 + offset))
	magic=$(od -An -tx1 -j"$offset" -N4 "$1")
	case $magic in
	' 28 b5 2f fd') set -- "$1" "$2" zstd -dqc ;;
	' fd 37 7a 58') set -- "$1" "$2" xz -dqc ;;
	' 1f 8b 08 00') set -- "$1" "$2" gzip -dqc ;;
	' 02 21 4c 18') set -- "$1" "$2" lz4 -dqc ;;
	*) return 1 ;;
	esac
	command -v "$3" > /dev/null || return 1
	# The last four bytes are the unpacked size, no part of the stream.
	tail -c +$((offset + 1)) "$1" | head -c $((length - 4)) | "${@:3}" > "$2.new" 2>/dev/null
	[ "$(head -c 4 "$2.new")" = $'\x7fELF' ] && mv "$2.new" "$2"
}
