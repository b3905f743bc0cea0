# Checks of the tree itself (tests/house) and of what is installed (tests/install).
option(MHC_FINGERPRINT "Build tests/stream/fingerprint.c, also without the tests" OFF)
if(MHC_TESTS OR MHC_FINGERPRINT)
  add_executable(fingerprint tests/stream/fingerprint.c)
  target_link_libraries(fingerprint PRIVATE mhc_stream)
endif()
if(NOT MHC_TESTS)
  return()
endif()

# The same bits from every instruction set, thread count and processor.
add_test(NAME isa_equal COMMAND sh tests/isa/equal.sh $<TARGET_FILE:fingerprint> WORKING_DIRECTORY ${CMAKE_CURRENT_SOURCE_DIR})
if(NOT MHC_SANITIZE AND NOT MHC_FUZZ)
  add_test(NAME isa_neon COMMAND sh tests/isa/neon.sh ${CMAKE_CURRENT_SOURCE_DIR} ${CMAKE_CURRENT_BINARY_DIR}/aarch64
    ${CMAKE_COMMAND} $<TARGET_FILE:fingerprint> WORKING_DIRECTORY ${CMAKE_CURRENT_SOURCE_DIR})
  set_tests_properties(isa_neon PROPERTIES SKIP_RETURN_CODE 77 TIMEOUT 900 COST 100) # the long ones begin first
endif()

foreach(check includes paths format)
  add_test(NAME house_${check} COMMAND sh tests/house/${check}.sh WORKING_DIRECTORY ${CMAKE_CURRENT_SOURCE_DIR})
  set_tests_properties(house_${check} PROPERTIES SKIP_RETURN_CODE 77)
endforeach()
add_test(NAME house_includes_catches COMMAND sh tests/house/includes_catches.sh ${CMAKE_CURRENT_BINARY_DIR}/house
  WORKING_DIRECTORY ${CMAKE_CURRENT_SOURCE_DIR})

# A sanitized libmhc can't be linked by a program that isn't sanitized.
if(NOT MHC_SANITIZE AND NOT MHC_FUZZ)
  add_test(NAME install_symbols COMMAND sh tests/install/symbols.sh $<TARGET_FILE:mhc_shared>
    WORKING_DIRECTORY ${CMAKE_CURRENT_SOURCE_DIR})
  add_test(NAME install_consumer
    COMMAND sh tests/install/consumer.sh ${CMAKE_CURRENT_BINARY_DIR}/tests-install ${CMAKE_C_COMPILER} "${CMAKE_GENERATOR}" ${CMAKE_COMMAND}
      ${CMAKE_CURRENT_BINARY_DIR}
    WORKING_DIRECTORY ${CMAKE_CURRENT_SOURCE_DIR})
  if(TARGET mhc)
    add_test(NAME install_program
      COMMAND sh tests/install/program.sh ${CMAKE_CURRENT_BINARY_DIR}/tests-program ${CMAKE_CURRENT_BINARY_DIR} ${CMAKE_COMMAND}
      WORKING_DIRECTORY ${CMAKE_CURRENT_SOURCE_DIR})
  endif()
  set_tests_properties(install_symbols install_consumer PROPERTIES SKIP_RETURN_CODE 77 TIMEOUT 1800)
  set_tests_properties(install_consumer PROPERTIES COST 90)
endif()
