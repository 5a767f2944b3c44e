# Compiles an interface package's C++ type support as one source per library instead of one per message: a third of the
# time. Passed by `run` as CMAKE_PROJECT_INCLUDE; a package builds the same without it.
function(mivla_unite_type_support)
  foreach(kind rosidl_typesupport_c rosidl_typesupport_cpp rosidl_typesupport_fastrtps_c rosidl_typesupport_fastrtps_cpp
      rosidl_typesupport_introspection_cpp)
    if(TARGET ${PROJECT_NAME}__${kind})
      set_target_properties(${PROJECT_NAME}__${kind} PROPERTIES UNITY_BUILD ON UNITY_BUILD_BATCH_SIZE 0)
    endif()
  endforeach()
endfunction()
cmake_language(DEFER CALL mivla_unite_type_support)
