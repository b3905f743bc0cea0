# Help, exit codes, and what wrong use says.
. "${0%/*}/lib/common.sh"

expect 0 help
says out "Three things to type first"
cp out front
for word in --help -h; do
    expect 0 $word
    cmp -s out front || fail "mhc $word: expected the page of mhc help"
done
expect 0 --version
says out "mhc "
for command in train eval sample study data config inspect check doctor; do
    says front "    $command "
    expect 0 help $command
    says out "mhc $command: "
    cp out page
    expect 0 $command --help
    cmp -s out page || fail "mhc $command --help: expected the page of mhc help $command"
done

expect 2
says err "expected a command"
expect 2 trian
says err "did you mean \`mhc train\`?"
expect 2 xyzzy
says err "\`mhc help\` lists them"
expect 2 help xyzzy
expect 2 train --quite
says err "did you mean --quiet?"
expect 2 train -q
expect 2 train --set
says err "--set needs a value"
expect 2 train --quiet=yes
expect 2 train a.yaml b.yaml
says err "one word too many"
expect 2 train --set train.stepz=1
says err "did you mean train.steps?"
expect 2 train --data ""
says err "--data: expected a text file or a folder, found nothing"
expect 2 train --resume x --out y
expect 2 train x.yaml --resume y
expect 2 train --resume x --set model.blocks=2
expect 2 eval
says err "expected DIR"
expect 2 sample x --tokens many
says err "expected an integer"
expect 2 sample x --tokens 1.5
expect 2 sample x --temperature -1
says err "is not in"
expect 2 sample x --temperature nan
expect 2 study stabilty
says err "did you mean stability?"
expect 2 data
expect 2 data fetch x
expect 2 data get xyzzy
says err "unknown data set"
expect 2 data pack
expect 2 config a b
expect 2 inspect x --h
expect 2 inspect x --probes
expect 1 eval no-such-folder
expect 1 sample no-such-folder
expect 1 inspect no-such-file
expect 1 check no-such-file
expect 1 config no-such-file.yaml
expect 1 train --resume no-such-folder

expect 0 data list
says out "enwik8"
expect 0 study
says out "stability"
expect 0 config
cp out defaults.yaml
expect 0 config defaults.yaml
cmp -s out defaults.yaml || fail "mhc config: expected its own output to load to the same"
expect 0 config --plain defaults.yaml --set train.steps=77
says out "steps: 77"
expect 0 doctor
says out "matrix products"

# A reader that goes away is no failure; a full disk is.
("$mhc" config; echo $? >code) 2>err | head -n 1 >/dev/null
[ "$(cat code)" = 0 ] || fail "mhc config | head: expected exit code 0, found $(cat code)"
[ -s err ] && fail "mhc config | head: expected nothing on stderr, found $(cat err)"
if [ -w /dev/full ]; then
    "$mhc" config >/dev/full 2>err && fail "mhc config >/dev/full: expected a failure"
    says err "standard output"
fi
finish
