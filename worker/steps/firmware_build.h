/* The two halves of firmware.build: firmware_build.c (the course of a build) and firmware_tool.c
 * (which tools there are, and what they are told).
 * Borrows: what the call's arena holds.  Thread: the loop's. */
#pragma once
#include "worker/lab/build_tree.h"
#include "worker/lab/firmware_size.h"
#include "worker/steps.h"

enum {
    BUILD_COMMANDS_MAX = 2,
    BUILD_WORDS_MAX = 24,
    BUILD_ARGV_MAX = 64,
    BUILD_COMPLAINT_BYTES = 300,
    BUILD_COMPILER_BYTES = 160,
};

/* {name} is replaced; a word that names something absent is left out. */
struct build_tool {
    const char *name;
    const char *commands[BUILD_COMMANDS_MAX][BUILD_WORDS_MAX];
    const char *elf;
    const char
        *note; /* a header that gets BUILD_ID and MODEL_HEADER; NULL: the tool is told them */
};

struct build {
    const struct build_tool *tool;
    const char *dir, *out, *elf, *build_id, *header;
    const char *built_elf;  /* where the tool leaves it, with `reuse` */
    struct build_tree tree; /* with `reuse` */
    bool reuse;
    struct firmware_size size;
    char complaint[BUILD_COMPLAINT_BYTES]; /* the first line that looks like the reason */
    char compiler[BUILD_COMPILER_BYTES]; /* what it calls itself, with `reuse`; empty: not known */
    int command;
};

/* NULL when there is none of this name. */
const struct build_tool *build_tool(const char *name);
/* A word of a tool with its values in place; NULL when a value is absent. */
const char *build_expand(struct step_call *call, const char *word);
/* Begins a command in the step's container; how many words, 0 on this machine. */
size_t build_container(struct step_call *call, const char **argv);
/* Of the one that works in the kept tree: there is one at a time. */
const char *build_container_name(struct step_call *call, const struct build *b);
/* The tool's command number `command` of the build. */
const char *const *build_command(struct step_call *call);
