#!/bin/sh
# A few small inputs to start from, so that a short run is past the first checks already.   seeds.sh TARGET FOLDER
set -eu
target=$1
cd "$2"

# A safetensors file: u64 length of the header, the header, the data.   tensors HEADER DATA
tensors() {
    printf '%b' "$(printf '\\%03o\\%03o\\0\\0\\0\\0\\0\\0' $((${#1} % 256)) $((${#1} / 256)))"
    printf '%s%b' "$1" "$2"
}
two='{"__metadata__":{"format":"mhc"},"a":{"dtype":"F32","shape":[2,1],"data_offsets":[0,8]},"b":{"dtype":"I16","shape":[],"data_offsets":[8,10]}}'

case $target in
fuzz_safetensors)
    tensors '{}' '' >empty
    tensors '{"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}}' '\001\002\003\004' >one
    tensors "$two" '0123456789' >two_tensors
    tensors '{"a":{"dtype":"U8","shape":[0,9],"data_offsets":[0,0]}}' '' >none
    ;;
fuzz_config)
    printf 'ymodel:\n  channels: 64\n  streams: 4 # four\n  connection: paper\ntrain:\n  steps: 10\n  lr: 1e-3\n' >yaml
    printf 'ydata:\n  path: "a b.txt"\n  tokenizer: char\n' >data
    printf '{"model":{"channels":64,"tied":true},"train":{"lr":0.001}}' >json
    printf '=train.steps=100' >override
    ;;
fuzz_metrics)
    printf '{"step":0,"loss":1.5,"seconds":1}\n{"step":1,"loss":null}\nno\n{"step":0,"x":2}\n{"st' >lines
    printf '<svg viewBox="0 0 8 8"><g id="gnuplot_canvas"><defs></defs><path d="" stroke="rgb(1, 2, 3)"/></g></svg>' >picture
    ;;
fuzz_char)
    printf 'plain text plain text' >plain
    printf 'h\303\251 \342\202\254 \360\237\230\200 h\303\251 \342\202\254 \360\237\230\200' >points
    printf 'a\300\257\355\240\200\364\220\200\200' >invalid
    ;;
fuzz_questions)
    printf '{"question": "is it so", "answer": true}\n\n{"answer": false, "question": "Was it"}\n' >two
    printf '{"question": "is it so", "answer": 1}' >wrong
    ;;
fuzz_gpt2)
    printf "the thing's and 12 34  \n\n the aaaaaaa don't" >text
    printf ' \302\240\343\200\200 \342\204\252 x\314\201 \377\376' >unicode
    ;;
fuzz_bpe_files)
    printf '{"a":0,"b":1,"n":2,"an":3,"<|endoftext|>":4}\0#version: 0.2\na n\n' >small
    printf '{"a":0,"a":1}\0a a a\n' >wrong
    ;;
fuzz_tokenizer_file)
    printf '{"format":"mhc-tokenizer","version":1,"kind":"byte"}' >byte
    printf '{"format":"mhc-tokenizer","version":1,"kind":"char","code_points":[32,97,98,233]}' >char
    printf '{"format":"ma\\n","version":1,"kind":"byte"}' >newline
    printf '{"format":"mhc-tokenizer","version":1,"kind":"gpt2","encoder":"{\\"a\\":0}","merges":"#version: 0.2\\n"}' >gpt2
    ;;
fuzz_corpus)
    printf 'A text that is long enough for a few rows of five tokens, and for a held-out part as well. It goes on a little.' >text
    ;;
fuzz_unpack)
    # one stored member: local header, name, data, central directory, end
    {
        printf 'zPK\003\004\012\0\0\0\0\0\0\0\0\0'
        printf '%b' '\0254\052\0223\0330\02\0\0\0\02\0\0\0\01\0\0\0ahi'
        printf 'PK\001\002'
    } >zip
    if command -v gzip >/dev/null; then
        { printf g; printf 'some text some text' | gzip -c; } >text.gz
    fi
    if command -v xz >/dev/null; then
        { printf x; printf 'some text some text' | xz -c; } >text.xz
    fi
    ;;
fuzz_packed)
    # header: version 1, tokens of 2 bytes, vocabulary 256, no checksum yet, 2 tokens
    printf 'MHCTOKEN\001\0\0\0\002\0\0\0\0\001\0\0\0\0\0\0\002\0\0\0\0\0\0\0' >packed
    printf '%b' '\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0A\0B\0' >>packed
    ;;
fuzz_checkpoint)
    printf 's{"format":1,"step":3,"shift":0,"rollbacks":0,"seed":"1","files":{},"checksum":1}' >state
    {
        printf w
        tensors "$two" '0123456789'
    } >weights
    ;;
esac
