# A root that is a disk of the machine: vm.image, and share = block of a profile.
load helpers

setup() {
	sandbox_setup
	mkdir "$T/images"
	IMAGE=$T/images/root.img
	printf '[sandbox]\nimage_dirs = %s\nallow = option,config\n[profile disk]\nshare = block\n' "$T/images" >"$T/joey.conf"
	chmod 644 "$T/joey.conf"
}

joey() { rt_ok --config "$T/joey.conf" "$@"; }
# make_image: the rootfs with a mark that the directory does not have; the directory gets another.
make_image() {
	command -v mkfs.ext4 >/dev/null || skip 'no mkfs.ext4'
	echo disk >"$B/rootfs/mark"
	truncate -s 24M "$IMAGE"
	mkfs.ext4 -q -d "$B/rootfs" "$IMAGE"
	echo directory >"$B/rootfs/mark"
}
# make_erofs [OPTION...]: the same as an erofs image, with a file that compresses well, one that does not, and an owner.
make_erofs() {
	command -v mkfs.erofs >/dev/null || skip 'no mkfs.erofs'
	echo disk >"$B/rootfs/mark"
	seq 1 200000 >"$B/rootfs/numbers"
	head -c 300000 /dev/urandom >"$B/rootfs/noise"
	chown 12:34 "$B/rootfs/noise"
	chmod 2754 "$B/rootfs/noise"
	(cd "$B/rootfs" && sha256sum numbers noise bin/busybox) >"$T/sums"
	mkfs.erofs --quiet "$@" "$IMAGE" "$B/rootfs"
	echo directory >"$B/rootfs/mark"
	rm "$B/rootfs/numbers" "$B/rootfs/noise"
}
vm_image() { cfg '.vm={image:{path:$i,format:"raw"}}' --arg i "${1:-$IMAGE}"; }

@test "[S18] vm.image: the root is the image, writes do not reach it, and volumes are there" {
	local sum
	make_image
	sum=$(sha256sum <"$IMAGE")
	mkdir "$T/vol"
	cfg '.mounts += [{"destination":"/vol","type":"bind","source":$v,"options":["rbind","rw"]}]' --arg v "$T/vol"
	vm_image
	script 'cat /mark; echo new >/mark; cat /mark; echo out >/vol/file; awk "\$5 == \"/\" { print \$9 }" /proc/self/mountinfo; uname -r'
	joey run --bundle "$B" "$CID"
	equals "$(head -n 3 <<<"$output" | paste -sd' ')" 'disk new overlay'
	lacks_text "$(uname -r)"
	equals "$(<"$T/vol/file")" out
	equals "$(<"$B/rootfs/mark")" directory
	equals "$(sha256sum <"$IMAGE")" "$sum"
}

@test "[S18] vm.image with a read-only root, exec, a second machine of the same image" {
	make_image
	vm_image
	cfg '.root.readonly=true'
	cmd sleep 1000
	joey create --bundle "$B" "$CID"
	start
	rt_ok exec "$CID" cat /mark
	equals "$output" disk
	rt_fail '' exec "$CID" sh -c 'echo x >/mark'
	another "$CID-2"
	cfg '.linux.cgroupsPath += "-2"'
	joey create --bundle "$B" "$CID-2"
	start "$CID-2"
	rt_ok exec "$CID-2" cat /mark
	equals "$output" disk
}

@test "[S18] vm.image is refused outside of image_dirs, in other formats, when it is no file system; a pod has one disk" {
	make_image
	cmd true
	cp "$IMAGE" "$T/other.img"
	vm_image "$T/other.img"
	rt_fail 'joey.conf allows no such path' --config "$T/joey.conf" run --bundle "$B" "$CID"
	cfg '.vm={image:{path:$i,format:"qcow2"}}' --arg i "$IMAGE"
	rt_fail 'only raw' --config "$T/joey.conf" run --bundle "$B" "$CID"
	head -c 1M /dev/urandom >"$T/images/noise.img"
	vm_image "$T/images/noise.img"
	rt_fail "the machine's disk" --config "$T/joey.conf" run --bundle "$B" "$CID"
	mkfifo "$T/images/fifo"
	vm_image "$T/images/fifo"
	rt_fail 'neither a file nor a block device' --config "$T/joey.conf" run --bundle "$B" "$CID"
	vm_image
	cmd sleep 1000
	cfg '.annotations={"io.kubernetes.cri.sandbox-id":"pod-'"$CID"'","io.kubernetes.cri.container-type":"sandbox"}'
	joey create --bundle "$B" "$CID"
	another "$CID-2"
	cfg '.linux.cgroupsPath += "-2"'
	rt_fail 'its machine runs already' --config "$T/joey.conf" create --bundle "$B" "$CID-2"
}

@test "[S18] share = block: the file system that is mounted on the rootfs; a directory, or a writable one, is refused" {
	make_image
	sed -i 's/^\[sandbox\]/&\nprofile = disk/' "$T/joey.conf"
	script 'cat /mark; awk "\$5 == \"/\" { print \$9 }" /proc/self/mountinfo'
	rt_fail 'share = block: rootfs' --config "$T/joey.conf" run --sandbox=vm --bundle "$B" "$CID"
	mount -o loop,ro,noload "$IMAGE" "$B/rootfs" 2>"$T/why" || skip "no loop mounts here: $(<"$T/why")"
	MOUNTED+=("$B/rootfs")
	joey run --sandbox=vm --bundle "$B" "$CID"
	equals "$(paste -sd' ' <<<"$output")" 'disk overlay'
	umount "$B/rootfs"
	cp "$IMAGE" "$T/writable.img"
	mount -o loop "$T/writable.img" "$B/rootfs"
	rt_fail 'share = block: rootfs' --config "$T/joey.conf" run --sandbox=vm --bundle "$B" "$CID"
}

@test "[S18] vm.image is an erofs image, plain or compressed with lz4: its files are whole, writes do not reach it" {
	local sum options plain=0
	vm_image
	script 'cat /mark; sha256sum numbers noise bin/busybox; stat -c "%u:%g %a" /noise; echo new >/mark; cat /mark; rm /noise; echo more >>/numbers; ls /noise; tail -n 1 /numbers'
	for options in '' -zlz4hc; do
		make_erofs $options
		sum=$(sha256sum <"$IMAGE")
		joey run --bundle "$B" "$CID"
		equals "$(grep -v ' ' <<<"$output" | paste -sd' ')" 'disk new more'
		equals "$(grep '  ' <<<"$output")" "$(<"$T/sums")"
		has_text '12:34 2754'
		equals "$(sha256sum <"$IMAGE")" "$sum"
		[ -n "$options" ] || plain=$(stat -c %s "$IMAGE")
	done
	[ "$(stat -c %s "$IMAGE")" -lt $((plain - 500000)) ] || fail 'the image is not compressed'
}

@test "[S18] share = block of an erofs that is mounted from a file by a loop device; a read-only root" {
	make_erofs -zlz4hc
	sed -i 's/^\[sandbox\]/&\nprofile = disk/' "$T/joey.conf"
	mount -t erofs -o loop,ro "$IMAGE" "$B/rootfs" 2>"$T/why" || skip "no loop mounts of erofs here: $(<"$T/why")"
	MOUNTED+=("$B/rootfs")
	script 'cat /mark; awk "\$5 == \"/\" { print \$9 }" /proc/self/mountinfo; echo x >/mark; cat /mark; tail -n 1 /numbers'
	joey run --sandbox=vm --bundle "$B" "$CID"
	equals "$(paste -sd' ' <<<"$output")" 'disk overlay x 200000'
	cfg '.root.readonly=true'
	joey run --sandbox=vm --bundle "$B" "$CID"
	equals "$(paste -sd' ' <<<"$output")" 'disk overlay disk 200000'
}
