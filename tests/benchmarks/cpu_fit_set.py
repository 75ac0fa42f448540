"""The architectures that the constants of eager CPUs are fitted to: none that the benchmark tests on."""

from __future__ import annotations

FIT_SET = """
    cait_xxs36_224 coat_lite_mini coat_lite_small convnext_nano_ols cpubone_b2pt5_dwnorm cpubone_t0 crossvit_9_dagger_240
    cs3darknet_m cspnext_m cspnext_s darknet17 deit_tiny_patch16_224 densenetblur121d dla60x dla60x_c dpn68b
    ecaresnet101d_pruned edgenext_small edgenext_x_small efficientformer_l3 efficientformerv2_l efficientformerv2_s1
    efficientnet_b3_g8_gn efficientvim_m3_dist efficientvim_m4_dist efficientvit_b1 efficientvit_b2 efficientvit_m4
    efficientvit_m5 ese_vovnet19b_dw ese_vovnet19b_slim fasternet_t1 fasternet_t2 fastvit_sa24 fastvit_t12 gcvit_xtiny
    ghostnetv2_100 ghostnetv3_100 haloregnetz_b hardcorenas_e hgnetv2_b2 hgnetv2_b4 hrnet_w18_small_v2 iformer_m_distilled
    iformer_s lambda_resnet26rpt_256 lcnetv2_base lcnetv2_large legacy_seresnet50 legacy_seresnext26_32x4d levit_384
    levit_conv_128 lowformer_e1 lowformer_e2 mambaout_kobe maxvit_rmlp_pico_rw_256 mixer_b32_224 mixer_s32_224
    mobilenetv4_conv_small mobilenetv4_conv_small_035 mobilevit_xs mobilevitv2_100 nf_regnet_b4 pit_s_distilled_224
    pit_xs_224 poolformer_s12 poolformerv2_s24 pvt_v2_b1 pvt_v2_b2_li regnetx_004_tv regnety_008 repghostnet_130
    repghostnet_200 repvgg_a0 repvit_m1_5 repvit_m2 resnest26d resnetblur18 resnetv2_18d resnetv2_34 rexnet_200
    rexnetr_150 selecsls42b selecsls60 seresnext26ts shvit_s2 shvit_s3 skresnet34 starnet_s150 starnet_s4 swiftformer_l1
    swiftformer_s test_convnext3 test_mambaout test_maxvit test_nfnet test_vit_relpos tf_efficientnet_b0 tiny_vit_11m_224
    twins_pcpvt_small vit_betwixt_patch32_clip_224 vit_medium_patch32_clip_224 vit_small_r26_s32_224
    vit_tiny_patch16_dinov3_qkvb vit_tiny_r_s16_p8_384 xcit_tiny_12_p16_384 xcit_tiny_24_p16_224""".split()
"""At random, up to two of each family of timm that differ in size, of at most 4 GMACs."""
