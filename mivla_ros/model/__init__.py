"""The MiVLA network: encoders, diffusion transformer with flow matching, checkpoints. Imports torch, never rclpy.

Importing this package imports nothing; import its modules. Without torch: ``config``, ``presets``, ``contract``,
``statistics``, ``checkpoint_files``. What others build on:

    presets.preset("tiny")                  NetworkConfig: base, small, tiny, h_rdt_human, h_rdt_robot
    network.build_network(config, encoders, seed, device, dtype) -> MivlaNetwork, random weights
        encoder_weights.EncoderSource(mode, folder, online): pretrained, random (for speed and tests) or absent
    images.prepare_image(rgb (h, w, 3) uint8, config.vision) -> (3, size, size) uint8
    MivlaNetwork
        .tokenise(texts) -> ids, mask;  .language_features(ids, mask);  .image_features(pixels (B, C, 3, s, s), mask)
        .memory(Conditions(state, state_mask, images, image_mask, language, language_mask)) -> Memory
            all that no flow step changes: state tokens, keys and values of images and words, masks
        .modulation(time (B,)) -> Modulation, all that depends on the time alone
        .velocity(noisy (B, H, D), mask, modulation, memory) -> (B, H, D);  network(noisy, mask, time, conditions)
    flow.noisy_actions, target_velocity, training_times, euler, sample_actions(network, memory, mask, noise, steps)
    objective.mutual_imitation_loss(predicted, target, mask, from_human, weights) -> Loss(total, terms)
    statistics.statistics_of(rows, mask);  Normalisation.normalise_state / normalise_actions / restore_actions
    contract.make_contract(profile, config, step_seconds, ...);  contract.check_robot(contract, profile, source)
    checkpoint.save_checkpoint(folder, network, contract, normalisation, notes);  checkpoint.load_checkpoint(folder,
        profile, encoders, device, dtype) -> Checkpoint(network, contract, normalisation, hash)
    bring_up.bring_up_normalisation(profile, urdf) for a checkpoint nobody has trained

Shapes: B observations, C cameras (the contract's order), H steps, D = config.size columns of the 76 (config.columns).
States and actions are normalised and go with a mask of the same shape: True where the value is there. What lies under
a False mask changes nothing. Flow time runs from 0 (noise) to 1 (actions).
"""
