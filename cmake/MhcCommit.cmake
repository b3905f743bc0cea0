# The commit that is built, into OUT, which changes only when the commit does. Run by every build (cmake -P), so that it is
# never that of an earlier one. Empty outside of a git checkout.
set(commit "")
find_program(git git)
if(git)
  execute_process(COMMAND ${git} describe --always --abbrev=12 --exclude=* --dirty=+ WORKING_DIRECTORY ${SOURCE}
    OUTPUT_VARIABLE commit OUTPUT_STRIP_TRAILING_WHITESPACE ERROR_QUIET)
endif()
set(text "#define MHC__COMMIT \"${commit}\"\n")
if(EXISTS ${OUT})
  file(READ ${OUT} before)
endif()
if(NOT "${before}" STREQUAL "${text}")
  file(WRITE ${OUT} "${text}")
endif()
