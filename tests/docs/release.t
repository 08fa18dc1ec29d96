#!/bin/sh
# `make release` in a small copy of the tree: what it refuses, and the tag and
# the tarball that it makes. And the documents name the maintainer of
# packaging/maintainer.
set -u
cd "$(dirname "$0")/../.." || exit 1
unset MAKEFLAGS MFLAGS MAKELEVEL MAKEOVERRIDES

number=0 failed=0
ok() {
    number=$((number + 1))
    if [ "$1" -eq 0 ]; then
        echo "ok $number - $2"
    else
        failed=1
        echo "not ok $number - $2"
        sed 's/^/# /' "$log"
    fi
}

scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
log=$scratch/log
export HOME="$scratch" GIT_CONFIG_NOSYSTEM=1 GIT_AUTHOR_NAME=A GIT_AUTHOR_EMAIL=a@example.org \
    GIT_COMMITTER_NAME=A GIT_COMMITTER_EMAIL=a@example.org

address=$(sed 's/.*<\(.*\)>/\1/' packaging/maintainer)
for document in SECURITY.md README.md; do
    grep -F "$address" "$document" >"$log" 2>&1
    ok $? "$document names the maintainer's address"
done
grep -rlE '[a-z]@[a-z.-]*\.invalid\b' README.md SECURITY.md docs man packaging 2>/dev/null |
    grep -vxE 'README.md|SECURITY.md|packaging/maintainer' >"$log"
[ ! -s "$log" ]
ok $? "nothing else names an address of its own"

tree=$scratch/tree
mkdir "$tree"
cp -r .gitignore Makefile NEWS.md README.md SECURITY.md LICENSE packaging "$tree"
cd "$tree" || exit 1
version=$(sed -n 's/^VERSION := //p' Makefile)
commit() {
    git add -A && git commit -qm "$1"
}
(git init -q && commit begin) >"$log" 2>&1
ok $? "a repository for the trial"

refuses() {
    make release >"$log" 2>&1 && status=1 || status=0
    grep -q "$1" "$log" || status=1
    [ -z "$(git tag)" ] || status=1
    ok "$status" "make release refuses: $2"
}
echo 'The pam_tmout maintainers <maintainers@pam-tmout.invalid>' >packaging/maintainer
(commit placeholder || :) >"$log" 2>&1
refuses 'still the placeholder' 'the placeholder'
packaging/set-maintainer 'nobody' >"$log" 2>&1 && status=1 || status=0
ok "$status" 'a maintainer without an address is rejected'
packaging/set-maintainer 'Anna Example <security@example.org>' >"$log" 2>&1
ok $? "set-maintainer takes a name and an address"
grep -F security@example.org SECURITY.md README.md >"$log" 2>&1
ok $? "the documents follow"
refuses 'not committed' 'a changed tree'
sed -i "s/^## $version (.*/## $version (not released)/" NEWS.md
commit maintainer >"$log" 2>&1
refuses 'NEWS.md does not begin' 'a version without a date in NEWS.md'
sed -i "s/^## $version (.*/## $version (2031-05-06)/" NEWS.md
commit news >"$log" 2>&1
refuses 'changelog.in is not dated Tue, 06 May 2031' 'an older date in the package for Debian'
sed -i 's/^ -- @MAINTAINER@  .*/ -- @MAINTAINER@  Tue, 06 May 2031 12:00:00 +0000/' packaging/debian/changelog.in
commit changelog >"$log" 2>&1
refuses 'spec is not dated Tue May 06 2031' 'an older date in the package for Fedora'
sed -i 's/^\* .* @MAINTAINER@/* Tue May 06 2031 @MAINTAINER@/' packaging/rpm/pam_tmout.spec
commit spec >"$log" 2>&1

make release >"$log" 2>&1
ok $? "make release with everything in order"
git rev-parse "v$version^{commit}" 2>>"$log" | grep -qx "$(git rev-parse HEAD)"
ok $? "the commit is tagged"
(cd build && sha256sum -c "pam_tmout-$version.tar.gz.sha256") >"$log" 2>&1
ok $? "the tarball has a checksum"
tar -xzOf "build/pam_tmout-$version.tar.gz" "pam_tmout-$version/packaging/maintainer" >"$log" 2>&1
grep -q security@example.org "$log"
ok $? "the tarball has the committed files"
cp "build/pam_tmout-$version.tar.gz" "$scratch/first.tar.gz"
(git clone -q . "$scratch/clone" && umask 077 && make -C "$scratch/clone" dist) >"$log" 2>&1
cmp "$scratch/first.tar.gz" "$scratch/clone/build/pam_tmout-$version.tar.gz" >>"$log" 2>&1
ok $? "another clone with another umask makes the same tarball"
make release >"$log" 2>&1 && status=1 || status=0
grep -q "the tag v$version exists" "$log" || status=1
ok "$status" "make release refuses: a version that is released"

echo "1..$number"
exit $failed
