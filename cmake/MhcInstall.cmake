# libmhc, static and shared, from the objects of the LIBRARY modules; the program; and what `cmake --install` puts where.
include(GNUInstallDirs)
include(CMakePackageConfigHelpers)

set(mhc_objects ${MHC_LIBRARY_OBJECTS})

# What a program that links the static library must add. By name, so that the installed files hold no path of this build.
set(mhc_private_libraries m)
if(OpenMP_C_FOUND)
  list(TRANSFORM OpenMP_C_LIB_NAMES REPLACE "^lib" "" OUTPUT_VARIABLE openmp_names)
  list(PREPEND mhc_private_libraries ${openmp_names})
endif()

# Exported as mhc::mhc and mhc::mhc_static. The targets have other names because `mhc` is the program.
add_library(mhc_shared SHARED ${mhc_objects})
set_target_properties(mhc_shared PROPERTIES OUTPUT_NAME mhc EXPORT_NAME mhc LINKER_LANGUAGE C
  VERSION ${PROJECT_VERSION} SOVERSION ${PROJECT_VERSION_MAJOR}.${PROJECT_VERSION_MINOR})
target_link_libraries(mhc_shared PRIVATE $<BUILD_INTERFACE:mhc_flags>)
if(MHC_HAVE_CUDA) # the runtime becomes part of it: who links libmhc.so needs no toolkit
  target_link_libraries(mhc_shared PRIVATE $<BUILD_INTERFACE:CUDA::cudart_static>)
  if(NOT APPLE)
    target_link_options(mhc_shared PRIVATE LINKER:--as-needed) # CMake adds the C++ library, which nothing in it calls
  endif()
endif()
if(NOT APPLE)
  set(mhc_map ${CMAKE_CURRENT_SOURCE_DIR}/packaging/libmhc.map)
  target_link_options(mhc_shared PRIVATE LINKER:--version-script=${mhc_map})
  set_target_properties(mhc_shared PROPERTIES LINK_DEPENDS ${mhc_map})
  if(NOT MHC_SANITIZE)
    target_link_options(mhc_shared PRIVATE LINKER:--no-undefined)
  endif()
endif()

add_library(mhc_static STATIC ${mhc_objects})
set_target_properties(mhc_static PROPERTIES OUTPUT_NAME mhc LINKER_LANGUAGE C)
target_link_libraries(mhc_static PRIVATE $<BUILD_INTERFACE:mhc_flags> INTERFACE ${mhc_private_libraries})
if(MHC_HAVE_CUDA) # a target of the consumer's own toolkit, which mhcConfig.cmake looks for
  target_link_libraries(mhc_static INTERFACE CUDA::cudart_static)
endif()

foreach(library mhc_shared mhc_static)
  target_include_directories(${library} INTERFACE
    $<BUILD_INTERFACE:${CMAKE_CURRENT_SOURCE_DIR}/include> $<INSTALL_INTERFACE:${CMAKE_INSTALL_INCLUDEDIR}>)
endforeach()

install(DIRECTORY include/mhc DESTINATION ${CMAKE_INSTALL_INCLUDEDIR})
install(TARGETS mhc_shared mhc_static EXPORT mhcTargets)
install(FILES LICENSE README.md DESTINATION ${CMAKE_INSTALL_DOCDIR})
if(TARGET mhc)
  install(TARGETS mhc)
endif()

set(mhc_package_dir ${CMAKE_INSTALL_LIBDIR}/cmake/mhc)
install(EXPORT mhcTargets NAMESPACE mhc:: DESTINATION ${mhc_package_dir})
configure_package_config_file(packaging/mhcConfig.cmake.in ${CMAKE_CURRENT_BINARY_DIR}/packaging/mhcConfig.cmake
  INSTALL_DESTINATION ${mhc_package_dir})
# Before 1.0 a new minor version may change the interface.
write_basic_package_version_file(${CMAKE_CURRENT_BINARY_DIR}/packaging/mhcConfigVersion.cmake COMPATIBILITY SameMinorVersion)
install(FILES ${CMAKE_CURRENT_BINARY_DIR}/packaging/mhcConfig.cmake ${CMAKE_CURRENT_BINARY_DIR}/packaging/mhcConfigVersion.cmake
  DESTINATION ${mhc_package_dir})

list(TRANSFORM mhc_private_libraries PREPEND "-l" OUTPUT_VARIABLE mhc_libs_private)
list(JOIN mhc_libs_private " " mhc_libs_private)
set(mhc_cuda_libdir "")
if(MHC_HAVE_CUDA) # the toolkit's folder as a variable: pkg-config --define-variable=cudalibdir=DIR for another one
  set(mhc_cuda_libdir "cudalibdir=${CUDAToolkit_LIBRARY_DIR}\n")
  string(PREPEND mhc_libs_private "-L\${cudalibdir} -lcudart_static -ldl -lrt -lpthread ")
endif()
file(RELATIVE_PATH mhc_pc_to_prefix "/${CMAKE_INSTALL_LIBDIR}/pkgconfig" "/") # relative, so that the folder can be moved
string(REGEX REPLACE "/$" "" mhc_pc_to_prefix "${mhc_pc_to_prefix}")
configure_file(packaging/mhc.pc.in ${CMAKE_CURRENT_BINARY_DIR}/packaging/mhc.pc @ONLY)
install(FILES ${CMAKE_CURRENT_BINARY_DIR}/packaging/mhc.pc DESTINATION ${CMAKE_INSTALL_LIBDIR}/pkgconfig)
