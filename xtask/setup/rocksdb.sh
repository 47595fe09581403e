#!/usr/bin/env bash
# Builds librocksdb.a once, from the sources inside the `librocksdb-sys` crate, and keeps it in the cache folder.
# Every cargo profile links this archive (ROCKSDB_LIB_DIR, ROCKSDB_STATIC=1), so `cargo` itself never compiles RocksDB.
#
# The sources are compiled in groups of files of one folder ("unity" groups): most of the time of a plain build goes into
# parsing the same headers 340 times. A group that does not compile as one is compiled file by file, so the result never
# depends on whether grouping works. An interrupted build goes on where it stopped.
#
# Usage: rocksdb.sh CACHE_DIR CRATE_DIR     (prints the folder that holds the archive on its last line)
set -euo pipefail

cache=$1 crate=$2
name=$(basename "$crate")                     # librocksdb-sys-0.19.0+11.8.1
zstd=$(ls -d "$(dirname "$crate")"/zstd-sys-*/zstd/lib | tail -n 1)
lz4=$(ls -d "$(dirname "$crate")"/lz4-sys-*/liblz4/lib | tail -n 1)
script_hash=$(sha256sum "$0" | cut -c1-8)     # other flags or groups: another folder
out="$cache/rocksdb/$name-$(uname -m)-$script_hash"
if [ -f "$out/librocksdb.a" ]; then echo "$out"; exit 0; fi

jobs=$(nproc) group=8
work="$out/build"
mkdir -p "$work"
echo "building librocksdb.a from $name with $jobs jobs (once; some minutes)" >&2

# The crate's own build script is the source of these flags and definitions.
cxxflags="-O2 -std=c++20 -fPIC -ffunction-sections -fdata-sections -w -include cstdint
 -I$crate/rocksdb/include -I$crate/rocksdb -I$crate -I$zstd -I$lz4
 -DNDEBUG=1 -DLZ4=1 -DZSTD=1 -DHAVE_ALIGNED_NEW -DHAVE_UINT128_EXTENSION
 -DOS_LINUX -DROCKSDB_PLATFORM_POSIX -DROCKSDB_LIB_IO_POSIX -DROCKSDB_SCHED_GETCPU_PRESENT
 -DROCKSDB_AUXV_GETAUXVAL_PRESENT -DROCKSDB_FALLOCATE_PRESENT -DROCKSDB_RANGESYNC_PRESENT"
case $(uname -m) in
  x86_64) cxxflags="$cxxflags -msse4.2 -mpclmul" ;;
  aarch64) cxxflags="$cxxflags -march=armv8-a+crc+aes+crypto" ;;
esac

# One line per group: name, then its files. A folder's files stay together, at most $group of them.
grep -v '^util/build_version.cc$' "$crate/rocksdb_lib_sources.txt" | sed '/^\s*$/d' \
  | awk -v group=$group '{ dir=$0; sub("/[^/]*$","",dir); key=dir; gsub("/","_",key);
      n=count[dir]++; g=key "_" int(n/group); if (!(g in files)) order[++groups]=g; files[g]=files[g] " " $0 }
      END { for (i=1;i<=groups;i++) print order[i] files[order[i]] }' > "$work/groups"

cat > "$work/compile" <<'SH'
#!/usr/bin/env bash
# compile GROUP FILE…: one object for the group, from one translation unit where that compiles.
set -euo pipefail
group=$1; shift
object="$WORK/$group.o"
[ -f "$object" ] && exit 0
for file; do echo "#include \"$file\""; done > "$WORK/$group.cc"
if ! g++ $CXXFLAGS -c "$WORK/$group.cc" -o "$object.part" 2> "$WORK/$group.err"; then
  parts=()
  for file; do
    part="$WORK/$(echo "$file" | tr / _).single.o"
    [ -f "$part" ] || { g++ $CXXFLAGS -c "$CRATE/rocksdb/$file" -o "$part.part"; mv "$part.part" "$part"; }
    parts+=("$part")
  done
  ld -r -o "$object.part" "${parts[@]}"
fi
mv "$object.part" "$object"
SH
chmod +x "$work/compile"
export CXXFLAGS="$cxxflags" WORK="$work" CRATE="$crate"
# Read group lines through xargs: each line is one job.
xargs -P "$jobs" -L 1 "$work/compile" < "$work/groups"
g++ $cxxflags -c "$crate/build_version.cc" -o "$work/build_version.o"

rm -f "$out/librocksdb.a.part"
ar crs "$out/librocksdb.a.part" "$work"/build_version.o $(awk -v w="$work" '{print w "/" $1 ".o"}' "$work/groups")
mv "$out/librocksdb.a.part" "$out/librocksdb.a"
rm -rf "$work"
echo "$out"
